// What a user may do on a target by a snapshot: what policies give, and the grant that decides.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringfence/model/grant.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

// What of a target access depends on. Valid as long as the snapshot.
struct TargetPlace {
  const Uuid* id = nullptr;  // By which grants name it.
  const std::vector<std::string>* tags = nullptr;
  const std::vector<std::string>* groups = nullptr;  // Ids.
  bool operator==(const TargetPlace&) const = default;
};
// Of a target of any type; nothing: there is none of this name.
TargetPlace pg_place(const Snapshot& snapshot, std::string_view target);
TargetPlace tcp_place(const Snapshot& snapshot, std::string_view target);

// Adds a grant to a snapshot, or takes it out of it.
void add_grant(Snapshot& to, const model::Grant& grant);
void drop_grant(Snapshot& from, const model::Grant& grant);

// The grant that decides; null: none is about them.
std::shared_ptr<const policy::Grant> deciding_grant(const Snapshot& snapshot, const User& user,
                                                    const TargetPlace& target);
// A grant that would be about them, but for what it names in the configuration and that is not there.
struct GrantWithoutEffect {
  std::shared_ptr<const model::Grant> grant;
  std::vector<std::string> gone;  // "user ana"
};
// `user` and `target` are names, of those that are there or are not; an empty one is nobody's.
std::vector<GrantWithoutEffect> grants_without_effect(const Snapshot& snapshot, std::string_view user,
                                                      std::string_view target);
// `roles`: the user's, or others that are asked about. `grant`: the deciding one; null: policies decide.
policy::Access find_access(const Snapshot& snapshot, const std::vector<std::string>& roles,
                           const TargetPlace& target, std::shared_ptr<const policy::Grant> grant);

}  // namespace ringfence::proxy
