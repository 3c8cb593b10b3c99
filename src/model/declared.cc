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

}  // namespace ringfence::model
