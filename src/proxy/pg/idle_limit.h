// When a session was active last, and how long it may be idle (limits.idle_ms,
// limits.idle_in_transaction_ms).
#pragma once

#include <cstdint>
#include <memory>

#include "now.h"
#include "ringfence/ring/timers.h"

namespace ringfence::proxy {

class Relay;

class IdleLimit {
 public:
  void note_active(Now now) {
    active_ns_ = now.ns;
    active_us_ = now.us;
  }
  // The client waits for us.
  void note_waiting(uint64_t now_ns) { active_ns_ = now_ns; }
  uint64_t active_us() const { return active_us_; }

  // Looks at `of`, which outlives this, now and whenever its time may be over, and then ends it.
  void watch(Relay& of);
  void stop() {
    if (timer_) timer_->cancel();
  }

 private:
  std::unique_ptr<ring::CallbackTimer> timer_;  // Where the limits say how long.
  uint64_t active_ns_ = 0;
  uint64_t active_us_ = 0;
};

}  // namespace ringfence::proxy
