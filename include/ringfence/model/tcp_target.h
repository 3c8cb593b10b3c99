// A named connection to any TCP server: its bytes pass unseen. A client reaches it by a listener of its own.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "ringfence/model/defect.h"
#include "ringfence/model/number.h"
#include "ringfence/model/target_rules.h"

namespace ringfence::model {

struct TcpTarget {
  std::string name;
  std::vector<std::string> hosts;  // Tried in order; one that starts with `/` is a Unix socket's path.
  uint16_t port = 0;               // Must be given where a host is no path.
  std::vector<std::string> tags;
  uint32_t connections_max = 0;  // 0: no bound of its own.
  // A session ends when no byte has passed for so long; 0: limits.idle_ms.
  uint64_t idle_ms = 0;
  // A session ends after so long, whatever it does; 0: no bound.
  uint64_t duration_ms = 0;
};

template <typename Self, typename Visit>
void each_number(Self& target, const Visit& visit)
  requires std::is_base_of_v<TcpTarget, std::remove_const_t<Self>>
{
  constexpr Range time{0, 365 * day_ms, Unit::milliseconds};
  visit("port", target.port, Range{0, 65'535});
  visit("connections_max", target.connections_max, Range{0, 1'000'000});
  visit("idle_ms", target.idle_ms, time);
  visit("duration_ms", target.duration_ms, time);
}

Defects defects(const TcpTarget& target);

}  // namespace ringfence::model
