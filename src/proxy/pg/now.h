// A moment by both clocks.
#pragma once

#include <cstdint>

namespace ringfence::proxy {

struct Now {
  uint64_t ns;  // Of the shard's clock.
  uint64_t us;  // Unix time.
};

}  // namespace ringfence::proxy
