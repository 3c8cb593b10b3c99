// What users may do on targets, found once for each user and target of a shard: all of the user's sessions
// there share one object. Of the shard's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

class AccessCache {
 public:
  // The tags of a target of one type; null: there is none of this name. A target of another type is not
  // there for those who ask.
  using TagsOf = const std::vector<std::string>* (*)(const Snapshot& snapshot, std::string_view target);
  explicit AccessCache(TagsOf tags_of = &postgres_tags) : tags_of_(tags_of) {}
  // By the snapshot `by`. It is kept, as long as a session has it, while `by` is `current`, the shard's own,
  // and is the same object in a later one where policies, roles and tags have not changed. Never null: who or
  // what is unknown has no access.
  std::shared_ptr<const policy::Access> find(std::string_view user, std::string_view target,
                                             const SnapshotPtr& by, const SnapshotPtr& current);

 private:
  static const std::vector<std::string>* postgres_tags(const Snapshot& snapshot, std::string_view target);

  struct Known {
    std::weak_ptr<const policy::Access> access;
    // By which it was found.
    std::vector<std::string> roles;
    std::vector<std::string> tags;
  };
  const TagsOf tags_of_;
  std::unordered_map<std::string, Known> known_;
  std::weak_ptr<const policy::PolicySet> known_by_;  // The policies that they were found by.
  size_t sweep_at_ = 64;                             // With so many the dead ones are taken out.
};

}  // namespace ringfence::proxy
