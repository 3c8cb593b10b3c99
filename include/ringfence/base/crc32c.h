// CRC-32C (Castagnoli, reflected 0x82f63b78; RFC 3720, appendix B.4).
#pragma once

#include <cstdint>

#include "ringfence/base/bytes.h"

namespace ringfence {

// `seed` is the result for the bytes before these, so crc32c(b, crc32c(a)) == crc32c(a + b).
uint32_t crc32c(ByteView bytes, uint32_t seed = 0);

}  // namespace ringfence
