#include "ringfence/model/declared.h"

#include <algorithm>
#include <string>

#include "ringfence/crypto/digest.h"

namespace ringfence::model {

// RFC 9562, section 5.8: version 8 is for ids of one's own making.
Uuid declared_id(std::string_view noun, std::string_view name) {
  std::string text = "ringfence declared record 1";
  text.append(1, '\0').append(noun).append(1, '\0').append(name);
  const crypto::Digest digest = crypto::sha256(text);
  Uuid out;
  std::copy_n(digest.begin(), out.bytes.size(), out.bytes.begin());
  out.bytes[6] = static_cast<uint8_t>((out.bytes[6] & 0x0f) | 0x80);
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3f) | 0x80);
  return out;
}

bool is_declared_id(const Uuid& id) { return (id.bytes[6] & 0xf0) == 0x80; }

int64_t declared_number(const Uuid& id) {
  constexpr int number_bits = 52;
  constexpr int64_t first = int64_t{1} << number_bits;
  uint64_t bits = 0;
  // The last eight bytes, without the variant.
  for (size_t i = 9; i < id.bytes.size(); ++i) bits = (bits << 8) | id.bytes[i];
  return first | static_cast<int64_t>(bits & (static_cast<uint64_t>(first) - 1));
}

std::string declared_label(std::string_view noun, std::string_view name) {
  return std::string(noun) + " " + std::string(name);
}

}  // namespace ringfence::model
