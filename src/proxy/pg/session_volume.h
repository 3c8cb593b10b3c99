// The bound on what a session's user and its address may add to the trail (volume.h).
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>

#include "pg_shard_state.h"
#include "recorder.h"

namespace ringfence::proxy {

class SessionVolume {
 public:
  // Once the client has authenticated: whom its records are charged to. A Unix socket's peers have no address
  // of their own. The recorder does not outlive this.
  void meter(PgShardState& shard, const Limits& limits, std::string_view user, std::string_view peer,
             Recorder& recorder);
  bool is_spent() const { return (user_ && user_->is_spent()) || (address_ && address_->is_spent()); }
  // How long until neither is overdrawn.
  uint64_t settle(PgShardState& shard, bool may_wait_for_store = true);
  // The same by the rules alone, whatever the store does.
  uint64_t wait_ns(uint64_t now_ns) const { return std::max(user_ns(now_ns), address_ns(now_ns)); }
  // Why a session ends that would have to wait too long. `peer`: the client's.
  EndReason exceeded(std::string_view user, std::string_view peer, uint64_t now_ns) const;

 private:
  uint64_t user_ns(uint64_t now_ns) const { return user_ ? user_->wait_ns(now_ns) : 0; }
  uint64_t address_ns(uint64_t now_ns) const { return address_ ? address_->wait_ns(now_ns) : 0; }

  std::shared_ptr<VolumeMeter> user_;  // Null: no bound.
  std::shared_ptr<VolumeMeter> address_;
};

}  // namespace ringfence::proxy
