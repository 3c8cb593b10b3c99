#include "refusal_tally.h"

#include <algorithm>
#include <utility>

namespace ringfence::control {

RefusalTally::Room RefusalTally::take(const std::string& caller, uint64_t now_ns) {
  std::erase_if(callers_, [&](const auto& entry) {
    return entry.second.whole_ns <= now_ns && entry.second.left_out == 0 && entry.first != caller;
  });
  Caller& known = callers_[caller];
  const uint64_t whole_ns = std::max(known.whole_ns, now_ns) + room_again_ns;
  if (whole_ns > now_ns + at_once_max * room_again_ns) {
    ++known.left_out;
    return {false, 0};
  }
  known.whole_ns = whole_ns;
  return {true, std::exchange(known.left_out, 0)};
}

}  // namespace ringfence::control
