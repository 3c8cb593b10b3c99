// Parameter values as the trail records them: a JSON array of strings, null, and {"base64": …} for binary
// values of types that we do not read. A value for which there is no room is cut, and says so: {"bytes": its
// length, "prefix": …}, or base64 and bytes where its beginning is no text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringfence/base/bytes.h"

namespace ringfence::proxy {

// Which values are secrets: bit n of `secrets` says that of $n+1. What is written of them is "***", or, with
// `is_clear`, they alone, and null for the others.
struct SecretPlaces {
  uint64_t secrets = 0;
  bool is_clear = false;
  bool hides(size_t index) const { return is_clear != (index < 64 && (secrets >> index & 1) != 0); }
};

// `body` is a Bind message's, or, unless `is_whole`, the beginning of one. `types` are OIDs as far as known,
// or null. At most `bytes_max` are written; the value that does not fit is cut, those behind it are left out;
// both are flagged.
void encode_bind_parameters(ByteView body, bool is_whole, const std::vector<uint32_t>* types,
                            size_t bytes_max, std::string& out, bool& is_truncated, SecretPlaces places = {});
// The arguments of a FunctionCall.
void encode_call_parameters(ByteView body, size_t bytes_max, std::string& out, bool& is_truncated);

}  // namespace ringfence::proxy
