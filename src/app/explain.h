// Questions of the form "may she run this there, and why": read from JSON, answered by proxy::explain, told
// as JSON or as text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "idle_grants.h"
#include "ringfence/base/result.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/pg/explain.h"

namespace ringfence::app {

struct Question {
  std::string user;                // Empty: `roles` say who asks.
  std::vector<std::string> roles;  // Those of the user, once looked up.
  std::string target;
  std::string statement;
  int server_version = 15;  // Major, of the target's server.
};

// Who may what: as running, or as configured.
struct Known {
  // Null: there is no such user.
  std::function<const std::vector<std::string>*(const std::string& user)> roles_of;
  // Of the question's roles, and of its user's grants. Nothing: there is no such target.
  std::function<std::optional<policy::Access>(const Question& question)> access_of;
  // Grants that would be about them; may be empty.
  std::function<IdleGrants(const Question& question)> idle_grants = {};
};

struct Answer {
  Question question;
  policy::Access access;
  proxy::Explanation explanation;
  IdleGrants idle_grants;
};

// The body of POST /api/v1/policy/explain. Fault::malformed when it is not such a question, Fault::not_found
// for what it asks that there is not (a target that speaks HTTP).
Result<Question> parse_question(std::string_view json);
// Fault::not_found for an unknown user or target, Fault::limit for too many statements; blocks, perhaps for
// seconds.
Result<Answer> answer(Question question, const Known& known);

std::string to_json(const Answer& answer);
// For people, with the offending line and a caret under the word.
std::string to_text(const Answer& answer);

}  // namespace ringfence::app
