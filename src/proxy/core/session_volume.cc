#include "ringfence/proxy/core/session_volume.h"

#include "ringfence/audit/failure_tally.h"
#include "ringfence/proxy/core/shard_core.h"

namespace ringfence::proxy {

void SessionVolume::find(ShardCore& core, const Limits& limits, std::string_view user,
                         std::string_view peer) {
  const uint64_t now_ns = core.shard.now_ns();
  user_ = core.volume.users.find(user, limits.volume_per_user, now_ns);
  if (!peer.starts_with("unix:"))
    address_ = core.volume.addresses.find(audit::address_of_peer(peer), limits.volume_per_address, now_ns);
}

uint64_t SessionVolume::settle(const ShardCore& core, bool may_wait_for_store) {
  const uint64_t now_ns = core.shard.now_ns();
  const bool is_behind = may_wait_for_store && core.space.waiting_bytes() > VolumeMeter::behind_bytes;
  const uint64_t user_ns = user_ ? user_->settle(now_ns, is_behind) : 0;
  const uint64_t address_ns = address_ ? address_->settle(now_ns, is_behind) : 0;
  return std::max(user_ns, address_ns);
}

SessionVolume::Bound SessionVolume::bound(uint64_t now_ns) const {
  const bool is_users = user_ns(now_ns) >= address_ns(now_ns);
  return {is_users, is_users ? user_->rule() : address_->rule()};
}

}  // namespace ringfence::proxy
