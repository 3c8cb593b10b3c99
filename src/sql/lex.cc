#include "ringfence/sql/lex.h"
#include "characters.h"

#include <array>

namespace ringfence::sql {
namespace {

// Character classes, by the names that scan.l gives them.
enum : uint8_t { space = 1, ident_start = 2, digit = 4, op_char = 8, op_special = 16, newline = 32 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> out{};
  auto mark = [&out](std::string_view chars, uint8_t bits) {
    for (char c : chars) out[static_cast<uint8_t>(c)] |= bits;
  };
  mark(" \t\n\r\f", space);
  mark("\n\r", newline);
  mark("0123456789", digit);
  mark("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", ident_start);
  for (size_t c = 0x80; c < 0x100; ++c) out[c] |= ident_start;
  mark("~!@#^&|`?+-*/%<>=", op_char);
  mark("~!@#^&|`?%", op_special);
  return out;
}
constexpr auto classes = make_classes();

bool is(char c, uint8_t bits) { return (classes[static_cast<uint8_t>(c)] & bits) != 0; }
bool is_ident_cont(char c) { return is(c, ident_start | digit) || c == '$'; }

}  // namespace

bool is_keyword(std::string_view word, std::string_view lower_case) {
  if (word.size() != lower_case.size()) return false;
  for (size_t i = 0; i < word.size(); ++i)
    if (lower(word[i]) != lower_case[i]) return false;
  return true;
}

void Lexer::skip_block_comment() {
  size_t depth = 1;
  size_t i = at_ + 2;
  while (depth > 0) {
    i = text_.find_first_of("*/", i);
    if (i == std::string_view::npos) {
      comments_are_terminated_ = false;
      at_ = text_.size();
      return;
    }
    const char other = at(i + 1);
    if (text_[i] == '/' && other == '*') ++depth, i += 2;
    else if (text_[i] == '*' && other == '/') --depth, i += 2;
    else ++i;
  }
  at_ = i;
}

void Lexer::skip_blanks_and_comments() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (is(c, space)) {
      ++at_;
    } else if (c == '-' && at(at_ + 1) == '-') {
      const size_t end = text_.find_first_of("\n\r", at_);
      at_ = end == std::string_view::npos ? text_.size() : end;
    } else if (c == '/' && at(at_ + 1) == '*') {
      skip_block_comment();
    } else {
      return;
    }
  }
}

Token Lexer::finish(TokenKind kind, size_t end, bool is_terminated) {
  Token out{kind, is_terminated, at_, end};
  at_ = end;
  return out;
}

// Blanks with at least one newline, `--` comments among them, then a quote: the string goes on behind that
// quote. Returns the position behind it, or 0 if the string is over. (Block comments do not continue a
// string.)
size_t Lexer::continuation(size_t after_quote) const {
  bool had_newline = false;
  for (size_t i = after_quote; i < text_.size();) {
    const char c = text_[i];
    if (is(c, space)) {
      had_newline |= is(c, newline);
      ++i;
    } else if (c == '-' && at(i + 1) == '-') {
      i = text_.find_first_of("\n\r", i);  // Without a newline behind it the comment ends the text.
    } else {
      return c == '\'' && had_newline ? i + 1 : 0;
    }
  }
  return 0;
}

// A literal in single quotes whose opening quote stands at `open`.
Token Lexer::quoted(TokenKind kind, size_t open) {
  const bool has_escapes =
      kind == TokenKind::escape_string || (kind == TokenKind::string && strings_ == Strings::escaping);
  // Doubled quotes are an escape except in bit and hex strings, where the second quote opens another literal.
  const bool has_doubling = kind != TokenKind::bit_string && kind != TokenKind::hex_string;
  size_t i = open + 1;
  while (true) {
    i = has_escapes ? text_.find_first_of("'\\", i) : text_.find('\'', i);
    if (i == std::string_view::npos) return finish(kind, text_.size(), false);
    if (text_[i] == '\\') {
      i += 2;
      continue;
    }
    if (has_doubling && at(i + 1) == '\'') {
      i += 2;
      continue;
    }
    const size_t more = continuation(i + 1);
    if (more == 0) return finish(kind, i + 1);
    i = more;
  }
}

Token Lexer::double_quoted(TokenKind kind, size_t open) {
  for (size_t i = open + 1;; i += 2) {
    i = text_.find('"', i);
    if (i == std::string_view::npos) return finish(kind, text_.size(), false);
    if (at(i + 1) != '"') return finish(kind, i + 1);
  }
}

Token Lexer::dollar() {
  size_t i = at_ + 1;
  if (is(at(i), digit)) {
    while (is(at(i), digit)) ++i;
    return finish(TokenKind::parameter, i);
  }
  if (is(at(i), ident_start))
    while (is(at(i), ident_start | digit)) ++i;
  if (at(i) != '$') return finish(TokenKind::symbol, at_ + 1);
  const std::string_view delimiter = text_.substr(at_, i + 1 - at_);
  const size_t close = text_.find(delimiter, i + 1);
  if (close == std::string_view::npos) return finish(TokenKind::dollar_string, text_.size(), false);
  return finish(TokenKind::dollar_string, close + delimiter.size());
}

Token Lexer::number() {
  size_t i = at_;
  TokenKind kind = TokenKind::integer;
  while (is(at(i), digit)) ++i;
  // "1..2" is a range of integers; the dots are their own token.
  if (at(i) == '.' && (at(i + 1) != '.' || i == at_)) {
    kind = TokenKind::decimal;
    ++i;
    while (is(at(i), digit)) ++i;
  }
  if (at(i) == 'e' || at(i) == 'E') {
    const size_t exponent = at(i + 1) == '+' || at(i + 1) == '-' ? i + 2 : i + 1;
    if (is(at(exponent), digit)) {
      kind = TokenKind::decimal;
      i = exponent;
      while (is(at(i), digit)) ++i;
    }
  }
  return finish(kind, i);
}

Token Lexer::operation() {
  if (at_ >= run_limit_) {  // A run that was not looked at yet.
    size_t i = at_;
    run_special_after_ = 0;
    run_trim_ = at_;
    for (; is(at(i), op_char); ++i) {
      const char c = text_[i];
      if ((c == '/' && at(i + 1) == '*') || (c == '-' && at(i + 1) == '-')) break;
      if (c != '+' && c != '-') run_trim_ = i + 1;
      if (is(c, op_special)) run_special_after_ = i + 1;
    }
    run_limit_ = i;
  }
  // An operator of more than one character ends in + or - only if it has a character that standard SQL's
  // operators lack; so "a=-1" is "a = -1".
  size_t end = run_limit_;
  const char last = text_[end - 1];
  if (end - at_ > 1 && (last == '+' || last == '-') && run_special_after_ <= at_)
    end = run_trim_ > at_ + 1 ? run_trim_ : at_ + 1;
  const bool is_symbol =
      end - at_ == 1 && std::string_view("+-*/%^<>=").find(text_[at_]) != std::string_view::npos;
  return finish(is_symbol ? TokenKind::symbol : TokenKind::operation, end);
}

Token Lexer::next() {
  skip_blanks_and_comments();
  if (at_ >= text_.size()) return finish(TokenKind::end, text_.size());
  const char c = text_[at_];
  const char second = at(at_ + 1);
  if (is(c, ident_start)) {
    if (second == '\'') {
      switch (lower(c)) {
        case 'b': return quoted(TokenKind::bit_string, at_ + 1);
        case 'x': return quoted(TokenKind::hex_string, at_ + 1);
        case 'e': return quoted(TokenKind::escape_string, at_ + 1);
        case 'n': return finish(TokenKind::national_prefix, at_ + 1);
        default: break;
      }
    }
    if (lower(c) == 'u' && second == '&') {
      if (at(at_ + 2) == '\'') return quoted(TokenKind::unicode_string, at_ + 2);
      if (at(at_ + 2) == '"') return double_quoted(TokenKind::unicode_identifier, at_ + 2);
    }
    size_t i = at_ + 1;
    while (i < text_.size() && is_ident_cont(text_[i])) ++i;
    return finish(TokenKind::word, i);
  }
  if (is(c, digit) || (c == '.' && is(second, digit))) return number();
  if (is(c, op_char)) return operation();
  switch (c) {
    case '\'': return quoted(TokenKind::string, at_);
    case '"': return double_quoted(TokenKind::quoted_identifier, at_);
    case '$': return dollar();
    case ':': return finish(TokenKind::symbol, at_ + (second == ':' || second == '=' ? 2 : 1));
    case '.': return finish(TokenKind::symbol, at_ + (second == '.' ? 2 : 1));
    default: return finish(TokenKind::symbol, at_ + 1);
  }
}

size_t token_begin(std::string_view text, size_t ordinal) {
  Lexer lexer(text);
  Token token = lexer.next();
  for (size_t i = 0; i < ordinal && token.kind != TokenKind::end; ++i) token = lexer.next();
  return token.kind == TokenKind::end ? std::string_view::npos : token.begin;
}

}  // namespace ringfence::sql
