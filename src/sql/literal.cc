#include "literal.h"
#include "characters.h"

#include <algorithm>

namespace ringfence::sql {
namespace {

uint32_t digits_value(std::string_view text, size_t& i, size_t digits_max, uint32_t base) {
  uint32_t value = 0;
  for (size_t n = 0; n < digits_max && i < text.size(); ++n, ++i) {
    const char c = static_cast<char>(text[i] | 0x20);
    uint32_t digit = 99;
    if (text[i] >= '0' && text[i] <= '9') digit = static_cast<uint32_t>(text[i] - '0');
    else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
    if (digit >= base) break;
    value = value * base + digit;
  }
  return value;
}

// Behind the quote that takes the string up again on a later line; `i` is behind the quote that broke it off.
size_t behind_continuation(std::string_view content, size_t i) {
  while (i < content.size() && content[i] != '\'') {
    if (content[i] == '-') i = std::min(content.find_first_of("\n\r", i), content.size());
    else ++i;
  }
  return std::min(i + 1, content.size());
}

}  // namespace

Range content_of(std::string_view text, const Token& token) {
  const std::string_view all = text.substr(token.begin, token.end - token.begin);
  size_t open = 0;
  size_t close = 0;
  if (token.kind == TokenKind::dollar_string) {
    open = all.find('$', 1) + 1;
    close = open;
  } else {
    open = all.find_first_of("'\"") + 1;
    close = 1;
  }
  if (!token.is_terminated) close = 0;
  return {token.begin + open, token.end - close};
}

LiteralMeaning::LiteralMeaning(std::string_view text, const Token& token, char escape) {
  const Range content = content_of(text, token);
  begin_ = content.begin;
  raw_ = text.substr(content.begin, content.end - content.begin);
  if (token.kind == TokenKind::dollar_string) return;
  bool is_plain = raw_.find('\'') == npos;
  if (token.kind == TokenKind::escape_string) is_plain = is_plain && raw_.find('\\') == npos;
  if (token.kind == TokenKind::unicode_string) is_plain = is_plain && raw_.find(escape) == npos;
  if (!is_plain) decode(token.kind, escape);
}

void LiteralMeaning::put(char c, size_t begin, size_t end) {
  const bool is_plain = end - begin == 1;
  const bool continues = is_plain && !runs_.empty() && runs_.back().end == begin &&
                         runs_.back().end - runs_.back().begin == meaning_.size() - runs_.back().meaning;
  if (continues) ++runs_.back().end;
  else runs_.push_back({meaning_.size(), begin, end});
  meaning_.push_back(c);
}

void LiteralMeaning::decode(TokenKind kind, char escape) {
  for (size_t i = 0; i < raw_.size();) {
    const char c = raw_[i];
    const bool is_escape =
        (kind == TokenKind::escape_string && c == '\\') || (kind == TokenKind::unicode_string && c == escape);
    if (c == '\'') {
      if (i + 1 < raw_.size() && raw_[i + 1] == '\'') {
        put(c, i, i + 2);
        i += 2;
      } else {
        i = behind_continuation(raw_, i + 1);
      }
    } else if (is_escape && i + 1 < raw_.size()) {
      decode_escape(kind, escape, i);
    } else {
      put(c, i, i + 1);
      ++i;
    }
  }
}

void LiteralMeaning::decode_escape(TokenKind kind, char escape, size_t& i) {
  const size_t begin = i++;
  const char c = raw_[i];
  uint32_t value = 0;
  if (kind == TokenKind::unicode_string) {
    if (c == escape) value = static_cast<uint8_t>(raw_[i++]);
    else if (c == '+') value = digits_value(raw_, ++i, 6, 16);
    else value = digits_value(raw_, i, 4, 16);
  } else if (c >= '0' && c <= '7') {
    value = digits_value(raw_, i, 3, 8) & 0xff;
  } else if (c == 'x') {
    value = digits_value(raw_, ++i, 2, 16);
  } else if (c == 'u') {
    value = digits_value(raw_, ++i, 4, 16);
  } else if (c == 'U') {
    value = digits_value(raw_, ++i, 8, 16);
  } else if (c == 'n' || c == 'r' || c == 't' || c == 'f' || c == 'b') {
    value = c == 'n' || c == 'r' ? '\n' : ' ';
    ++i;
  } else {
    value = static_cast<uint8_t>(raw_[i++]);
  }
  put(value < 0x80 && value != 0 ? static_cast<char>(value) : '?', begin, i);
}

}  // namespace ringfence::sql
