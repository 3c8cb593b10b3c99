// What must hold between a change, who makes it, and the other records: nobody gives away more than he has.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "ringfence/control/answer.h"
#include "ringfence/control/registry.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class ChangeRules {
 public:
  // Within the change's transaction.
  ChangeRules(const Registry& registry, store::ControlRecords& records, const Actor& actor)
      : registry_(registry), records_(records), actor_(actor) {}

  // Whether the actor may still all that he could when he proved who he is. He may have been disabled since,
  // his key revoked, or a role taken away: on another node, or a moment ago.
  std::optional<Answer> check_actor();
  // `before`: null where the record is new; `after`: null where it is deleted; both with ids as references.
  // Nothing: the change may be made.
  std::optional<Answer> check(const model::Noun& noun, const model::Json* before, const model::Json* after);
  // Whether the record is somebody else's and the actor sees his own alone: he does not learn that it is
  // there.
  static bool is_hidden(const model::Noun& noun, const model::Json& record, const Actor& actor);
  // What others ask in the same transaction. The record of this id, if it is one to believe; Fault::conflict:
  // it is not.
  Result<store::ControlRecord> believed(const char* noun, const std::string& id);
  // What a user may, by id.
  Result<auth::Scopes> scopes_of_user(const std::string& id);
  // The ids of a user's roles, with their parents, theirs, and so on.
  Result<std::set<std::string>> roles_of_user(const std::string& id);
  // After the rows are written: there is still an administrator who can log in, where there was one.
  std::optional<Answer> check_after(const model::Noun& noun, const model::Json* before);

 private:
  Result<bool> is_actor_there();
  std::optional<Answer> check_user(const model::Json* before, const model::Json* after);
  std::optional<Answer> check_role(const model::Json* before, const model::Json* after);
  std::optional<Answer> check_target(const model::Json* before, const model::Json* after);
  std::optional<Answer> check_grant(const model::Json* before, const model::Json* after);
  std::optional<Answer> check_request(const model::Json* after, const model::Json& record) const;
  std::optional<Answer> check_request_rule(const model::Json* after);
  std::optional<Answer> check_key(const model::Json* before, const model::Json* after);
  std::optional<Answer> check_own_key(const model::Json* before, const model::Json* after);
  // Of the record's roles, or of the roles in another of its fields, with their parents.
  Result<auth::Scopes> scopes_of(const model::Json& ids);
  Result<void> add_scopes(const std::string& role, auth::Scopes& to, std::vector<std::string>& path);
  // A role that is not believed may have been more: who has all scopes alone passes.
  std::optional<Answer> needs(const Result<auth::Scopes>& scopes, const std::string& what);

  const Registry& registry_;
  store::ControlRecords& records_;
  const Actor& actor_;
};

// Somebody has changed the record's row by hand, or has brought back an older one.
Answer not_believed();
Answer store_failed(const Error& error, const store::Refusal& refusal);

}  // namespace ringfence::control
