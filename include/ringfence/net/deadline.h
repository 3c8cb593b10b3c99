// The time that a phase of a connection may take.
#pragma once

#include "ringfence/net/stream.h"
#include "ringfence/ring/shard.h"

namespace ringfence::net {

// Shuts a stream down when it passes; disarmed by its destructor. The stream outlives it: one that another
// stream is laid over (TLS) is kept by that one.
class Deadline {
 public:
  Deadline(ring::Shard& shard, Stream& stream, uint64_t ms);  // 0: never.
  bool has_passed() const { return passed_; }

 private:
  bool passed_ = false;
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::net
