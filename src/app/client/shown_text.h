// Texts of others on a terminal: what they may hold, and how wide they are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringfence::client {

// Without what a terminal would take for commands, or what changes the order of characters: such characters
// stand as \u001b. Lines end where `keeps_lines`. Bytes that are no UTF-8 become U+FFFD.
std::string shown_text(std::string_view text, bool keeps_lines = false);
// Columns of a terminal, of what shown_text gave.
size_t width_of(std::string_view text);
// The text, or its beginning with an ellipsis, in at most so many columns.
std::string cut_to(std::string_view text, size_t columns_max);

}  // namespace ringfence::client
