// Whether a text means the same whatever the settings are by which the server reads it.
#pragma once

#include <string_view>

namespace ringfence::sql {

// True where the text is ASCII, which every client encoding reads alike, and has the same tokens with
// standard_conforming_strings on and off. Linear; nearly every text is told by a look for bytes beyond ASCII
// and backslashes.
bool is_plain(std::string_view text);

}  // namespace ringfence::sql
