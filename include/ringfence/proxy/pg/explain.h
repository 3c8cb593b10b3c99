// What would become of a text, and why: the decision is that of judge_message(), which sessions ask, too.
//
// What always holds: a text is allowed here exactly when a session with this access, whose server is of this
// version, would forward it as a Query message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/policy/decide.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/facts.h"
#include "ringfence/sql/split.h"

namespace ringfence::proxy {

// A place of a text: the byte, from 0, and the character, from 1, as PostgreSQL's Position counts.
struct TextPlace {
  size_t byte = 0;
  uint32_t character = 0;
};
// The token with that ordinal in the statement that begins at `begin` of the text; nothing for nowhere.
std::optional<TextPlace> place_in(std::string_view text, sql::Extent statement, sql::Place place);

struct ExplainedStatement {
  sql::Extent extent;
  bool is_allowed = true;
  // Of a refusal:
  std::string sqlstate;
  std::string rule;
  std::string message;
  std::string hint;
  std::optional<TextPlace> at;  // In the whole text.
  std::optional<sql::Facts> facts;
  std::string no_facts_because;  // Where there are none.
  std::vector<policy::Finding> findings;
};

struct Explanation {
  bool is_allowed = true;
  // The statement that the client is told of: the first that is refused.
  std::optional<size_t> refused;
  std::vector<ExplainedStatement> statements;
};

// The text of a Query message. Fault::limit when it holds more statements than are explained. May take
// seconds and needs sql::large_stack_bytes of stack.
Result<Explanation> explain(const policy::Access& access, policy::SessionFacts session,
                            std::string_view text);

}  // namespace ringfence::proxy
