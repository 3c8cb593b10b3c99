// Single characters.
#pragma once

#include <cstdint>
#include <string>

namespace ringfence::pg {

// A character of at most U+10FFFF, whatever it is, in UTF-8.
void append_utf8(std::string& out, uint32_t code);

}  // namespace ringfence::pg
