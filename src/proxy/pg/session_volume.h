// The bound on what a session's user and its address may add to the trail (volume.h).
#pragma once

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
  uint64_t wait_ns(uint64_t now_ns);
  // Why a session ends that would have to wait too long, by the last wait_ns(). `peer`: the client's.
  EndReason exceeded(std::string_view user, std::string_view peer) const;

 private:
  std::shared_ptr<VolumeMeter> user_;  // Null: no bound.
  std::shared_ptr<VolumeMeter> address_;
  bool is_users_ = true;  // Which of the two has to be waited for.
};

}  // namespace ringfence::proxy
