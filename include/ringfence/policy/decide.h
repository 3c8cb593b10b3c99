// The decision on one statement: a pure function of what it is given.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/policy/policy_set.h"
#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// What is known of the session and bears on the decision.
struct SessionFacts {
  int server_version = 15;  // Major.
  // The server's session began with default_transaction_read_only=on, as every session of level read does;
  // one that was lowered to that level by a reload did not.
  bool is_server_read_only = true;
  // The server's encoding has one byte for each character: there it folds names beyond ASCII, too, as its
  // locale says.
  bool folds_beyond_ascii = false;
};

// One thing that was looked at, for explaining.
struct Finding {
  std::string rule;  // "policy analysts: deny ringfence.yaml:31"
  std::string what;
  bool refuses = false;
  sql::Place at = sql::nowhere;
};

struct Decision {
  bool is_allowed = true;
  // Of a refusal:
  std::string rule;     // Which one, with policy and place; goes to the trail.
  std::string message;  // For the user, without a period: "DELETE needs access level write; yours is read".
  std::string hint;
  sql::Place at = sql::nowhere;
  // Of an allowed statement: what let it pass, for the trail. Lives as long as the set of policies.
  std::string_view allowed_by;
  // Of what the whitelist allows: so many bytes of its beginning are enough, whatever follows; 0: only all of
  // it is.
  size_t allowed_within = 0;
  // Of an allowed statement: not 0: it waits so long for somebody's word before it runs, and by which rules.
  uint64_t hold_ms = 0;
  std::string hold_rule;
  // Of an allowed statement: it calls functions that are not on the list of harmless ones, or does what
  // cannot be seen, so that what comes behind it waits for its end.
  bool calls_named_functions = false;
};

// Everything but the whitelist: depends on the facts alone, so it may be kept as long as these may.
Decision decide_facts(const Access& access, const sql::Facts& facts, const SessionFacts& session,
                      std::vector<Finding>* findings = nullptr);

// The whitelist, which looks at the statement's own text: without the blanks, comments and `;` around it. Of
// several patterns that match, the one whose occurrence ends first is what let it pass. `matches` is working
// memory.
Decision decide_text(const Access& access, std::string_view text, Scratch& scratch,
                     std::vector<Match>& matches, std::vector<Finding>* findings = nullptr);

// For a text without facts; `reason` says why there are none.
Decision decide_unknown(const Access& access, std::string_view reason);
// The same where the grammar does not take the text: tells of its version, and the server's.
Decision decide_unparsed(const Access& access, std::string_view reason, const SessionFacts& session);

// Why a key of the startup packet is not allowed; "" when it is.
std::string refuse_startup_setting(const Access& access, std::string_view name, std::string_view value);

// For the protocol's FunctionCall.
Decision decide_function_call(const Access& access, uint32_t oid, const SessionFacts& session);

}  // namespace ringfence::policy
