// How long one statement may run (statement_ms of a grant).
#pragma once

#include <memory>

#include "ringfence/ring/timers.h"

namespace ringfence::proxy {

class Relay;

class StatementLimit {
 public:
  // Looks at `of`, which outlives this, now and whenever its time may be over, and then ends it.
  void watch(Relay& of);
  void stop() {
    if (timer_) timer_->cancel();
  }

 private:
  std::unique_ptr<ring::CallbackTimer> timer_;  // Where a grant says how long.
};

}  // namespace ringfence::proxy
