// The two clocks. Levels 0 and 1 take times as arguments; only whoever does IO reads a clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/result.h"

namespace ringfence {

inline constexpr uint64_t ns_per_ms = 1'000'000;

// Microseconds since the Unix epoch, UTC. May step when the machine's clock is set.
uint64_t wall_us();
// Nanoseconds since an arbitrary start; never goes back. Deadlines and durations use this one.
uint64_t mono_ns();

// RFC 3339 in UTC with microseconds: 2026-01-02T03:04:05.000006Z.
std::string rfc3339(uint64_t unix_us);

}  // namespace ringfence
