// Members of JSON objects that may be missing, null, or of another kind than they should be.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/model/json.h"

namespace ringfence::model {

// Empty: it is no text.
std::string text_in(const Json& object, const char* name);
// Unix time in microseconds; 0: there is none. What is no time is long over.
uint64_t time_in(const Json& object, const char* name);

}  // namespace ringfence::model
