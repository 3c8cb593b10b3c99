// The small texts of HTTP: percent encoding (RFC 3986), dates (RFC 9110, 5.6.7), and JSON strings (RFC 8259).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::http {

// Fails on a `%` without two hexadecimal digits and on %00, which nothing of ours needs.
Result<std::string> percent_decode(ByteView text, bool plus_is_space = false);
std::string percent_encode(ByteView text);  // All but the unreserved characters.

using Parameters = std::vector<std::pair<std::string, std::string>>;
// The parameters of `a=1&b=2`, decoded, in order; a name may come more than once. Empty parts are left out.
Result<Parameters> parse_query(ByteView query);

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(uint64_t unix_us);

bool equals_ignoring_case(std::string_view a, std::string_view b);
// Whether a header's list, separated by commas, has the token; letters' case does not matter.
bool list_has(std::string_view list, std::string_view token);

// Appends the text in quotes. Bytes that are no valid UTF-8, and NULs, become U+FFFD.
void append_json_string(std::string& out, ByteView text);

}  // namespace ringfence::http
