// JSON of requests and records: objects of texts, whole numbers, booleans, lists and null, and nothing that
// two readers could understand in two ways.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::model {

using Json = nlohmann::json;  // Keys are sorted.

inline constexpr int json_depth_max = 16;

// Fault::malformed says what is wrong: no JSON (RFC 8259), a name that stands twice in an object, more than
// json_depth_max levels, a number with a fraction or beyond 53 bits, NUL in a text.
Result<Json> parse_json(ByteView text);
// Without blanks, keys sorted, UTF-8 as it is: the same bytes for the same value.
std::string canonical_json(const Json& json);

}  // namespace ringfence::model
