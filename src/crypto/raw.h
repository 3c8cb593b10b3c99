// Bytes as OpenSSL takes them.
#pragma once

#include "ringfence/base/bytes.h"

namespace ringfence::crypto {

// Never null: OpenSSL takes a null pointer for "no value given", which an empty view must not mean.
inline const unsigned char* raw(ByteView bytes) {
  static const unsigned char nothing = 0;
  return bytes.empty() ? &nothing : reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace ringfence::crypto
