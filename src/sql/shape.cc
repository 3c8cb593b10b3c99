#include "ringfence/sql/shape.h"

#include "ringfence/sql/lex.h"

namespace ringfence::sql {
namespace {

// Each token is a NUL, which no text holds, its class, and unless it is a constant its bytes.
char class_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::integer: return '\x01';
    case TokenKind::decimal: return '\x02';
    case TokenKind::string: return '\x03';
    case TokenKind::escape_string: return '\x04';
    case TokenKind::unicode_string: return '\x05';
    case TokenKind::bit_string: return '\x06';
    case TokenKind::hex_string: return '\x07';
    case TokenKind::dollar_string: return '\x08';
    default: return '\0';
  }
}

}  // namespace

bool make_shape(std::string_view text, std::string& shape, size_t bytes_max) {
  shape.clear();
  Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (!token.is_terminated || shape.size() > bytes_max) return false;
    if (const char constant = class_of(token.kind)) {
      shape.push_back('\0');
      shape.push_back(constant);
      continue;
    }
    shape.push_back('\0');
    shape.push_back(static_cast<char>('A' + static_cast<int>(token.kind)));
    shape.append(text.data() + token.begin, token.end - token.begin);
  }
  return lexer.comments_are_terminated() && shape.size() <= bytes_max;
}

}  // namespace ringfence::sql
