// Single characters of a text, as ASCII has them: the same in every locale and in every encoding of the
// server.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringfence::sql {

inline constexpr size_t npos = std::string_view::npos;

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace ringfence::sql
