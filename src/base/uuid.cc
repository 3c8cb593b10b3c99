#include "ringfence/base/uuid.h"

namespace ringfence {

Uuid uuid_v7(uint64_t unix_us, uint64_t random_b) {
  Uuid out;
  uint64_t ms = unix_us / 1000;
  // The fraction of the millisecond as 12 bits: us * 4096 / 1000.
  auto fraction = static_cast<uint32_t>((unix_us % 1000) * 4096 / 1000);
  for (int i = 0; i < 6; ++i) out.bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  out.bytes[6] = static_cast<uint8_t>(0x70 | (fraction >> 8));
  out.bytes[7] = static_cast<uint8_t>(fraction);
  for (int i = 0; i < 8; ++i) out.bytes[8 + i] = static_cast<uint8_t>(random_b >> (56 - 8 * i));
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3f) | 0x80);
  return out;
}

std::string to_string(const Uuid& uuid) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out.push_back(digits[uuid.bytes[i] >> 4]);
    out.push_back(digits[uuid.bytes[i] & 15]);
  }
  return out;
}

Result<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) return fail(Fault::malformed, "a UUID has 36 characters");
  Uuid out;
  size_t nibble = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return fail(Fault::malformed, "a UUID has hyphens at 8, 13, 18 and 23");
      continue;
    }
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (value < 0) return fail(Fault::malformed, "a UUID holds hexadecimal digits");
    out.bytes[nibble / 2] = static_cast<uint8_t>(out.bytes[nibble / 2] | (value << (nibble % 2 ? 0 : 4)));
    ++nibble;
  }
  return out;
}

}  // namespace ringfence
