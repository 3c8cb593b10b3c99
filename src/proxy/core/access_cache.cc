#include "ringfence/proxy/core/access_cache.h"

#include <algorithm>

namespace ringfence::proxy {

std::shared_ptr<const policy::Access> AccessCache::find(std::string_view user, std::string_view target,
                                                        const SnapshotPtr& by, const SnapshotPtr& current) {
  const User* found_user = by->find_user(user);
  const TargetPlace place = place_of_(*by, target);
  if (found_user == nullptr || place.tags == nullptr) return std::make_shared<const policy::Access>();
  const std::shared_ptr<const policy::Grant> grant = deciding_grant(*by, *found_user, place);
  const auto find = [&] {
    return std::make_shared<const policy::Access>(find_access(*by, found_user->roles, place, grant));
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
  if (access && known.roles == found_user->roles && known.tags == *place.tags && known.grant == grant &&
      known.are_grants_stale == by->are_grants_stale && known.is_closed == by->is_closed)
    return access;
  access = find();
  known = {access, found_user->roles, *place.tags, grant, by->are_grants_stale, by->is_closed};
  return access;
}

}  // namespace ringfence::proxy
