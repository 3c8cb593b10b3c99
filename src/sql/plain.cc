#include "ringfence/sql/plain.h"

#include <cstdint>
#include <cstring>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {

namespace {

enum class Bytes : uint8_t { simple, with_backslash, beyond_ascii };

// Eight bytes at a time.
Bytes bytes_of(std::string_view text) {
  constexpr uint64_t high = 0x8080808080808080u;
  constexpr uint64_t ones = 0x0101010101010101u;
  constexpr uint64_t backslashes = ones * '\\';
  Bytes found = Bytes::simple;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, sizeof word);
    if ((word & high) != 0) return Bytes::beyond_ascii;
    const uint64_t other = word ^ backslashes;  // A zero byte where a backslash stands.
    if (((other - ones) & ~other & high) != 0) found = Bytes::with_backslash;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return Bytes::beyond_ascii;
    if (text[i] == '\\') found = Bytes::with_backslash;
  }
  return found;
}

bool has_same_tokens(std::string_view text) {
  Lexer standard(text), escaping(text, Strings::escaping);
  for (;;) {
    const Token one = standard.next(), other = escaping.next();
    if (one.begin != other.begin || one.end != other.end || one.is_terminated != other.is_terminated)
      return false;
    if (one.kind == TokenKind::end) return other.kind == TokenKind::end;
  }
}

}  // namespace

bool is_plain(std::string_view text) {
  switch (bytes_of(text)) {
    case Bytes::simple: return true;
    case Bytes::with_backslash: return has_same_tokens(text);
    case Bytes::beyond_ascii: return false;
  }
  return false;
}

}  // namespace ringfence::sql
