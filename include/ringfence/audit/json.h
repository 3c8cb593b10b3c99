// Canonical JSON (RFC 8785) for open-ended fields: objects with sorted keys, no blanks, shortest escapes;
// strings, integers of at most 53 bits, booleans and null only, so that every reader gives the same bytes
// back.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::audit {

inline constexpr int json_depth_max = 64;
inline constexpr int64_t json_integer_max = (int64_t{1} << 53) - 1;

// Appends the text as a JSON string. `text` is valid text (see is_valid_text).
void append_json_string(std::string& out, std::string_view text);
// Appends an array of strings.
template <typename Strings>
void append_json_strings(std::string& out, const Strings& strings) {
  out.push_back('[');
  bool is_first = true;
  for (const auto& text : strings) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_json_string(out, text);
  }
  out.push_back(']');
}

// True when the bytes are canonical already: one pass, no allocation, whatever the bytes are.
bool is_canonical_json(ByteView json);
// Any JSON of the allowed kinds in canonical form. Numbers with a fraction or more than 53 bits become
// strings.
Result<std::string> canonicalise_json(ByteView json);

}  // namespace ringfence::audit
