// What users may do on targets, found once for each user and target of a shard: all of the user's sessions
// there share one object. Of the shard's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/find_access.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

class AccessCache {
 public:
  // A target of one type. One of another type is not there for those who ask.
  using PlaceOf = TargetPlace (*)(const Snapshot& snapshot, std::string_view target);
  explicit AccessCache(PlaceOf place_of = &pg_place) : place_of_(place_of) {}
  // By the snapshot `by`. It is kept, as long as a session has it, while `by` is `current`, the shard's own,
  // and is the same object in a later one where policies, roles, tags and the grant that decides have not
  // changed. Never null: who or what is unknown has no access.
  std::shared_ptr<const policy::Access> find(std::string_view user, std::string_view target,
                                             const SnapshotPtr& by, const SnapshotPtr& current);

 private:
  struct Known {
    std::weak_ptr<const policy::Access> access;
    // By which it was found.
    std::vector<std::string> roles;
    std::vector<std::string> tags;
    std::shared_ptr<const policy::Grant> grant;
    bool are_grants_stale = false;
    bool is_closed = false;
  };
  const PlaceOf place_of_;
  std::unordered_map<std::string, Known> known_;
  std::weak_ptr<const policy::PolicySet> known_by_;  // The policies that they were found by.
  size_t sweep_at_ = 64;                             // With so many the dead ones are taken out.
};

}  // namespace ringfence::proxy
