// UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then version, variant and random
// bits.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/result.h"

namespace ringfence {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
};

// `random_a` gives 12 bits, `random_b` 62 bits. The time goes in with sub-millisecond precision in place of
// random_a (RFC 9562, section 6.2, method 3), so ids of one thread sort by time.
Uuid uuid_v7(uint64_t unix_us, uint64_t random_b);

// 36 characters, lower case.
std::string to_string(const Uuid& uuid);
Result<Uuid> parse_uuid(std::string_view text);

}  // namespace ringfence
