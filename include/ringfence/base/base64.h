// Base64 with padding (RFC 4648, section 4): what SCRAM and verifiers use.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence {

std::string base64_encode(ByteView bytes);
// Strict: no blanks, padding required, unused bits zero.
Result<std::string> base64_decode(std::string_view text);

// The same for URLs and cookies: `-` and `_` in place of `+` and `/`, no padding (RFC 4648, section 5).
std::string base64url_encode(ByteView bytes);
Result<std::string> base64url_decode(std::string_view text);

}  // namespace ringfence
