#include "sql_identifier.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "ringfence/base/utf8.h"
#include "ringfence/pg/characters.h"

namespace ringfence::proxy {

using sql::Token;
using sql::TokenKind;

namespace {

std::optional<uint32_t> hex(std::string_view digits, size_t length) {
  uint32_t code = 0;
  if (digits.size() < length) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + length, code, 16);
  return error == std::errc() && end == digits.data() + length ? std::optional(code) : std::nullopt;
}

// The simple string literal behind UESCAPE, of which the server wants one byte (parser.c): a character that
// is no hexadecimal digit, plus, quote or blank. Literals may go on in the next line. 0: none of these.
char escape_of(std::string_view text, const Token& token) {
  std::string content;
  if (!token.is_terminated) return 0;
  if (token.kind == TokenKind::dollar_string) {
    const size_t tag = text.find('$', 1) + 1;
    content = text.substr(tag, text.size() - 2 * tag);
  } else if (token.kind == TokenKind::string || token.kind == TokenKind::escape_string) {
    const bool is_escaping = token.kind == TokenKind::escape_string;
    bool is_inside = false;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\'') {
        const bool is_doubled = is_inside && i + 1 < text.size() && text[i + 1] == '\'';
        if (is_doubled) return 0;  // A quote is no escape character.
        is_inside = !is_inside;
      } else if (!is_inside) {
        // Between the lines of one literal there are blanks, and comments, of which nothing is guessed.
        if (text[i] == '-') return 0;
      } else if (is_escaping && text[i] == '\\') {
        if (++i >= text.size()) return 0;
        const char c = text[i];
        if (c == 'x') {
          const size_t digits =
              std::min<size_t>(text.substr(i + 1, 2).find_first_not_of("0123456789abcdefABCDEF"),
                               text.substr(i + 1, 2).size());
          const auto code = hex(text.substr(i + 1), digits);
          if (digits == 0 || !code) return 0;
          content.push_back(static_cast<char>(*code));
          i += digits;
        } else if (c >= '0' && c <= '7') {
          uint32_t code = 0;
          size_t end = i;
          for (; end < text.size() && end < i + 3 && text[end] >= '0' && text[end] <= '7'; ++end) {
            code = code * 8 + static_cast<uint32_t>(text[end] - '0');
          }
          content.push_back(static_cast<char>(code));
          i = end - 1;
        } else if (c == 'u' || c == 'U') {
          const size_t length = c == 'u' ? 4 : 8;
          const auto code = hex(text.substr(i + 1), length);
          if (!code || *code >= 0x80) return 0;
          content.push_back(static_cast<char>(*code));
          i += length;
        } else if (std::string_view("bfnrtv").find(c) != std::string_view::npos) {
          return 0;  // Blanks, or refused.
        } else {
          content.push_back(c);
        }
      } else {
        content.push_back(text[i]);
      }
    }
  } else {
    return 0;
  }
  if (content.size() != 1 || static_cast<unsigned char>(content[0]) >= 0x80) return 0;
  return std::string_view("0123456789abcdefABCDEF+'\" \t\n\r\f\v").find(content[0]) == std::string_view::npos
             ? content[0]
             : '\0';
}

bool append(std::string& name, std::string_view text, pg::Encoding from, pg::Encoding to) {
  std::string room;
  const auto converted = pg::convert(text, from, to, room);
  if (converted) name.append(*converted);
  return converted.has_value();
}

// What stands between the quotes of U&"…".
bool decode(std::string_view text, char escape, const pg::NameEncodings& encodings, std::string& name) {
  uint32_t high = 0;  // Of a surrogate pair that is open.
  std::string plain;
  auto end_plain = [&] {
    const bool is_converted = append(name, plain, encodings.client, encodings.server);
    plain.clear();
    return is_converted;
  };
  for (size_t i = 0; i < text.size();) {
    if (text[i] != escape || (i + 1 < text.size() && text[i + 1] == escape)) {
      if (high != 0) return false;
      plain.push_back(text[i]);
      i += text[i] == escape || text[i] == '"' ? 2 : 1;
      continue;
    }
    const bool is_long = i + 1 < text.size() && text[i + 1] == '+';
    const size_t length = is_long ? 6 : 4;
    const auto code = hex(text.substr(std::min(text.size(), i + (is_long ? 2 : 1))), length);
    i += length + (is_long ? 2 : 1);
    if (!code || *code > 0x10FFFF || *code == 0) return false;
    uint32_t character = *code;
    const bool is_low = character >= 0xDC00 && character < 0xE000;
    if ((high != 0) != is_low) return false;
    if (character >= 0xD800 && character < 0xDC00) {
      high = character;
      continue;
    }
    if (is_low) character = 0x10000 + ((std::exchange(high, 0) - 0xD800) << 10) + (character - 0xDC00);
    if (!end_plain()) return false;
    std::string utf8;
    pg::append_utf8(utf8, character);
    if (!append(name, utf8, pg::Encoding::named("UTF8"), encodings.server)) return false;
    // The server has no conversion for SQL_ASCII (pg_unicode_to_server).
    if (character >= 0x80 && encodings.server == pg::Encoding::named("SQL_ASCII")) return false;
  }
  return high == 0 && end_plain();
}

}  // namespace

std::string kept_identifier(const sql::Lexer& lexer, const Token& token, const pg::NameEncodings& encodings) {
  std::string_view text = lexer.text_of(token);
  const std::string_view sent = text;
  std::string name;
  if (!token.is_terminated) return pg::unknown_name(sent);
  if (!is_ascii(text) && !encodings.is_sure) return pg::unknown_name(sent);
  if (token.kind == TokenKind::unicode_identifier) {
    sql::Lexer behind = lexer;
    char escape = '\\';
    const Token word = behind.next();
    if (word.kind == TokenKind::word && sql::is_keyword(behind.text_of(word), "uescape")) {
      const Token literal = behind.next();
      escape = escape_of(behind.text_of(literal), literal);
    }
    // U&"…
    if (escape == '\0' || text.size() < 4 ||
        !decode(text.substr(3, text.size() - 4), escape, encodings, name)) {
      return pg::unknown_name(sent);
    }
  } else if (token.kind == TokenKind::quoted_identifier && text.size() >= 2) {
    text = text.substr(1, text.size() - 2);
    std::string single;
    for (size_t i = 0; i < text.size(); ++i) {
      single.push_back(text[i]);
      if (text[i] == '"') ++i;
    }
    if (!append(name, single, encodings.client, encodings.server)) return pg::unknown_name(sent);
  } else {
    if (!append(name, text, encodings.client, encodings.server)) return pg::unknown_name(sent);
    // In single-byte encodings the server folds other letters too, by its locale (scansup.c).
    if (encodings.server.is_single_byte() && !is_ascii(name)) return pg::unknown_name(sent);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return std::string(pg::cut_identifier(name, encodings.server));
}

}  // namespace ringfence::proxy
