// TLS 1.3's keys from its secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringfence/base/bytes.h"

namespace ringfence::crypto {

// HKDF-Expand-Label(secret, label, "", size) (RFC 8446, section 7.1), with SHA-256 for a secret of 32 bytes
// and SHA-384 for one of 48. At most a digest's size. False: OpenSSL would not; `out` is not to be used then.
bool expand_label(ByteView secret, std::string_view label, uint8_t* out, size_t size);

}  // namespace ringfence::crypto
