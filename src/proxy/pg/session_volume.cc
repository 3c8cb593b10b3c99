#include "session_volume.h"

#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

void SessionVolume::meter(PgShardState& shard, const Limits& limits, std::string_view user,
                          std::string_view peer, Recorder& recorder) {
  const uint64_t now_ns = shard.core.shard.now_ns();
  user_ = shard.core.volume.users.find(user, limits.volume_per_user, now_ns);
  if (!peer.starts_with("unix:"))
    address_ =
        shard.core.volume.addresses.find(audit::address_of_peer(peer), limits.volume_per_address, now_ns);
  recorder.charge_to(user_.get(), address_.get());
}

uint64_t SessionVolume::settle(PgShardState& shard, bool may_wait_for_store) {
  const uint64_t now_ns = shard.core.shard.now_ns();
  const bool is_behind = may_wait_for_store && shard.core.space.waiting_bytes() > VolumeMeter::behind_bytes;
  const uint64_t user_ns = user_ ? user_->settle(now_ns, is_behind) : 0;
  const uint64_t address_ns = address_ ? address_->settle(now_ns, is_behind) : 0;
  return std::max(user_ns, address_ns);
}

EndReason SessionVolume::exceeded(std::string_view user, std::string_view peer, uint64_t now_ns) const {
  const bool is_users = user_ns(now_ns) >= address_ns(now_ns);
  const std::string whose = is_users ? "user \"" + std::string(user) + "\""
                                     : "address " + std::string(audit::address_of_peer(peer));
  const std::string key = is_users ? "audit.volume_per_user" : "audit.volume_per_address";
  const VolumeRule& rule = is_users ? user_->rule() : address_->rule();
  return {
      std::string(pg::sqlstate::configuration_limit_exceeded),
      "terminating connection: the statements of " + whose +
          " fill the audit trail faster than the allowed " + std::to_string(rule.bytes_per_s) +
          " bytes a second",
      "The bound is " + key +
          " of the appliance's configuration (bytes_per_s, burst_bytes). Send fewer or shorter statements "
          "at a time, or have it raised."};
}

}  // namespace ringfence::proxy
