// Times in text: RFC 3339.
#pragma once

#include <cstdint>
#include <string_view>

#include "ringfence/base/result.h"

namespace ringfence::model {

// Microseconds since the Unix epoch, of the years 1970 to 9999: "2026-01-02T03:04:05Z",
// "2026-01-02T04:04:05.000006+01:00". More than six digits of a fraction, leap seconds and other zones than
// Z and ±hh:mm are refused. base's rfc3339() writes it.
Result<uint64_t> parse_rfc3339(std::string_view text);

}  // namespace ringfence::model
