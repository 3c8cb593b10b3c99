// UTF-8 validity as PostgreSQL's UTF8 encoding has it: no overlong forms, no surrogates, up to U+10FFFF, and
// no NUL, which text columns cannot hold.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"

namespace ringfence {

bool is_valid_text(ByteView bytes);
// Without a byte from 0x80 on. NUL is ASCII.
bool is_ascii(ByteView bytes);
// The same text with each invalid byte, and each NUL, replaced by U+FFFD.
std::string make_valid_text(ByteView bytes);
// The longest prefix of at most `size_max` bytes that does not cut a character in two.
ByteView text_prefix(ByteView text, size_t size_max);

}  // namespace ringfence
