#include "ringfence/proxy/core/log_pause.h"

#include <utility>

#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

std::optional<uint64_t> LogPause::admit(uint64_t now_ns) {
  if (now_ns < next_ns_) {
    ++kept_back_;
    return std::nullopt;
  }
  next_ns_ = now_ns + log_pause_ms * 1'000'000;
  return std::exchange(kept_back_, 0);
}

}  // namespace ringfence::proxy
