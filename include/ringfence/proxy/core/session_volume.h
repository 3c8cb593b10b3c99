// The bound on what a session's user and its address may add to the trail (volume.h), whatever its protocol.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>

#include "ringfence/proxy/core/volume.h"

namespace ringfence::proxy {

class ShardCore;
struct Limits;

class SessionVolume {
 public:
  // Once the client is known: whom its records are charged to, from here on. `peer`: the client's; a Unix
  // socket's clients have no address of their own.
  void find(ShardCore& core, const Limits& limits, std::string_view user, std::string_view peer);
  void charge(size_t bytes) {
    if (user_) user_->charge(bytes);
    if (address_) address_->charge(bytes);
  }
  bool is_spent() const { return (user_ && user_->is_spent()) || (address_ && address_->is_spent()); }
  // How long until neither is overdrawn, in ns; 0: go on. `may_wait_for_store`: less is allowed while the
  // shard's journal waits for the store.
  uint64_t settle(const ShardCore& core, bool may_wait_for_store);
  // The same by the rules alone, whatever the store does.
  uint64_t wait_ns(uint64_t now_ns) const { return std::max(user_ns(now_ns), address_ns(now_ns)); }
  // By which rule a session waits longest that has to wait.
  struct Bound {
    bool is_users;  // Otherwise the address's.
    VolumeRule rule;
  };
  Bound bound(uint64_t now_ns) const;

 private:
  uint64_t user_ns(uint64_t now_ns) const { return user_ ? user_->wait_ns(now_ns) : 0; }
  uint64_t address_ns(uint64_t now_ns) const { return address_ ? address_->wait_ns(now_ns) : 0; }

  std::shared_ptr<VolumeMeter> user_;  // Null: no bound.
  std::shared_ptr<VolumeMeter> address_;
};

}  // namespace ringfence::proxy
