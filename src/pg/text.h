// Small pieces of text for error messages; peers' bytes are made harmless here.
#pragma once

#include <cstdint>
#include <string>

namespace ringfence::pg {

// 'Q' for a printable type byte, 0x07 for any other.
inline std::string printable_type(char type) {
  auto byte = static_cast<uint8_t>(type);
  if (byte > 0x20 && byte < 0x7f) return std::string("'") + type + "'";
  return std::string("0x") + "0123456789abcdef"[byte >> 4] + "0123456789abcdef"[byte & 15];
}

}  // namespace ringfence::pg
