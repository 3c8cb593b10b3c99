#include "ringfence/policy/decide.h"

#include <algorithm>
#include <tuple>

#include "catalog.h"
#include "refused.h"
#include "settings.h"

namespace ringfence::policy {

Decision decide_text(const Access& access, std::string_view text, Scratch& scratch,
                     std::vector<Match>& matches, std::vector<Finding>* findings) {
  if (!access.is_granted()) return no_access();
  if (!access.suspended_because.empty()) return suspended(access);
  if (!access.has_whitelist) return {};
  matches.clear();
  if (!access.whitelist.empty() && !access.set->patterns().scan(text, scratch, matches)) {
    return refused("whitelist", "the statement could not be compared with the whitelist", "");
  }
  const auto is_listed = [&](const Match& match) {
    return std::binary_search(access.whitelist.begin(), access.whitelist.end(), match.id);
  };
  const Match* first = nullptr;
  for (const Match& match : matches) {
    if (!is_listed(match)) continue;
    if (first == nullptr || std::tie(match.end, match.id) < std::tie(first->end, first->id)) first = &match;
  }
  if (first != nullptr) {
    Decision listed;
    listed.allowed_by = access.set->pattern_label(first->id);
    listed.allowed_within = access.set->patterns().decided_within(text, *first).value_or(0);
    if (findings == nullptr) return listed;
    std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.id < b.id; });
    for (const Match& match : matches) {
      if (!is_listed(match)) continue;
      findings->push_back({"whitelist " + access.set->pattern(match.id).where,
                           "the pattern " + access.set->pattern(match.id).text + " matches", false,
                           sql::nowhere});
    }
    return listed;
  }
  Decision decision = refused("whitelist", "no whitelist pattern of your policies matches this statement",
                              "Each statement must match by its own text.");
  decision.at = 0;
  if (findings != nullptr) findings->push_back({decision.rule, decision.message, true, decision.at});
  return decision;
}

Decision decide_unknown(const Access& access, std::string_view reason) {
  if (!access.is_granted()) return no_access();
  if (access.admits_all()) return {};
  if (!access.suspended_because.empty()) return suspended(access);
  return refused("analysis", "the statement cannot be analysed, so it is refused: " + std::string(reason),
                 "Only a user whose access is unrestricted may run what cannot be analysed.");
}

Decision decide_unparsed(const Access& access, std::string_view reason, const SessionFacts& session) {
  const std::string grammar = "PostgreSQL " + std::to_string(sql::grammar_version);
  Decision decision = decide_unknown(
      access, std::string(reason) + " (Ringfence reads statements by the grammar of " + grammar +
                  "; the server is version " + std::to_string(session.server_version) + ")");
  if (decision.is_allowed || session.server_version <= sql::grammar_version || !access.is_granted())
    return decision;
  decision.hint = "What came after " + grammar +
                  " is not known here: subqueries in FROM without an alias, 1_000 and 0xFF, IS JSON, "
                  "JSON_TABLE and other SQL/JSON "
                  "functions, AT LOCAL, MERGE ... RETURNING. Write it in the older form; only a user whose "
                  "access is unrestricted "
                  "(level admin without whitelist, allow and deny) may run what cannot be analysed.";
  return decision;
}

std::string refuse_startup_setting(const Access& access, std::string_view name, std::string_view value) {
  sql::Setting setting;
  setting.name = name;
  setting.values.emplace_back(value);
  // What the session has anyway at this level; the value does not matter.
  if (name == "default_transaction_read_only") return "";
  if (access.level != Level::admin && is_set_by_login_alone(name))
    return "only a login sets it, which SET may not";
  return refuse_setting(setting, access.level);
}

Decision decide_function_call(const Access& access, uint32_t oid, const SessionFacts& session) {
  if (!access.is_granted()) return no_access();
  if (access.admits_all()) return {};
  if (!access.suspended_because.empty()) return suspended(access);
  // A function of large objects is all that a rule about functions or kinds could look at; the others look at
  // more than a number.
  const std::string_view large_object = large_object_function(oid);
  if (!large_object.empty() && is_write_function(large_object) && access.level >= Level::write &&
      !access.has_whitelist && !access.has_allow && !access.has_hold) {
    sql::Facts facts;
    facts.kind = "select";
    facts.functions.push_back({"pg_catalog", std::string(large_object), sql::nowhere});
    return decide_facts(access, facts, session);
  }
  // The call names no schema, relation or text that a rule could look at.
  if (!access.has_whitelist && !access.has_allow && !access.has_deny && !access.has_hold &&
      (access.level == Level::admin || is_read_function_oid(oid, session.server_version))) {
    return {};
  }
  return refused("functions",
                 "a call of the function with OID " + std::to_string(oid) +
                     " by the FunctionCall message is not allowed here",
                 "Call it in a SELECT.");
}

}  // namespace ringfence::policy
