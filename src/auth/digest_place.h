// Where a table has what is known by a digest: by its first 8 bytes. The whole is compared in constant time.
#pragma once

#include <cstdint>
#include <cstring>

#include "ringfence/crypto/digest.h"

namespace ringfence::auth {

inline uint64_t place_of(const crypto::Digest& digest) {
  uint64_t out;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

}  // namespace ringfence::auth
