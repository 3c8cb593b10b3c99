#include "ringfence/proxy/core/access_cache.h"

#include <algorithm>

namespace ringfence::proxy {

const std::vector<std::string>* AccessCache::postgres_tags(const Snapshot& snapshot,
                                                           std::string_view target) {
  const Target* found = snapshot.find_target(target);
  return found != nullptr ? &found->tags : nullptr;
}

std::shared_ptr<const policy::Access> AccessCache::find(std::string_view user, std::string_view target,
                                                        const SnapshotPtr& by, const SnapshotPtr& current) {
  const User* found_user = by->find_user(user);
  const std::vector<std::string>* tags = tags_of_(*by, target);
  if (found_user == nullptr || tags == nullptr || !by->policies)
    return std::make_shared<const policy::Access>();
  const auto find = [&] {
    return std::make_shared<const policy::Access>(by->policies->access(found_user->roles, *tags));
  };
  if (by != current) return find();
  if (known_by_.lock() != by->policies) {
    known_.clear();
    known_by_ = by->policies;
  }
  if (known_.size() >= sweep_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.access.expired(); });
    sweep_at_ = std::max<size_t>(64, known_.size() * 2);
  }
  Known& known = known_[std::string(user) + '\0' + std::string(target)];
  std::shared_ptr<const policy::Access> access = known.access.lock();
  if (access && known.roles == found_user->roles && known.tags == *tags) return access;
  access = find();
  known = {access, found_user->roles, *tags};
  return access;
}

}  // namespace ringfence::proxy
