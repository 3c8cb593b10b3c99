// Cuts SQL text into tokens exactly where PostgreSQL 15's scanner does (its scan.l), with
// standard_conforming_strings on unless told otherwise.
//
// What always holds: no allocation, no recursion, time linear in the text, and every byte belongs to one
// token or to the blanks and comments between them. Where PostgreSQL 15 reports an error (junk after a
// number, an unterminated literal) the whole message fails there; here such text is cut as PostgreSQL 14 cut
// it, and an unterminated token runs to the end of the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringfence::sql {

enum class TokenKind : uint8_t {
  end,                 // Of the text.
  word,                // Identifier or keyword.
  quoted_identifier,   // "x"
  unicode_identifier,  // U&"x"
  integer,
  decimal,
  string,           // 'x', with what continues it on later lines
  escape_string,    // E'x'
  unicode_string,   // U&'x'
  bit_string,       // B'01'
  hex_string,       // X'1f'
  national_prefix,  // The N of N'x'; the string follows as its own token.
  dollar_string,    // $$x$$, $tag$x$tag$
  parameter,        // $1
  symbol,           // One of , ( ) [ ] . ; : + - * / % ^ < > = or any byte without a rule; also :: .. :=
  operation,        // Any other operator, also <= >= <> != =>
};

struct Token {
  TokenKind kind = TokenKind::end;
  bool is_terminated = true;  // False for a literal or identifier whose closing quote is missing.
  size_t begin = 0;
  size_t end = 0;

  bool is_string() const { return kind >= TokenKind::string && kind <= TokenKind::hex_string; }
};

// What a backslash is in a string without a prefix: itself, or (standard_conforming_strings off) as in E''.
enum class Strings : uint8_t { standard, escaping };

class Lexer {
 public:
  // `text` holds no NUL, which would end it for PostgreSQL, and outlives the lexer.
  explicit Lexer(std::string_view text, Strings strings = Strings::standard)
      : text_(text), strings_(strings) {}

  // The next token; after the last one TokenKind::end again and again.
  Token next();
  // False once a block comment without its end was met: the rest of the text was that comment.
  bool comments_are_terminated() const { return comments_are_terminated_; }
  std::string_view text_of(const Token& token) const {
    return text_.substr(token.begin, token.end - token.begin);
  }

 private:
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  void skip_blanks_and_comments();
  void skip_block_comment();
  Token finish(TokenKind kind, size_t end, bool is_terminated = true);
  Token quoted(TokenKind kind, size_t open);
  Token double_quoted(TokenKind kind, size_t open);
  Token dollar();
  Token number();
  Token operation();
  size_t continuation(size_t after_quote) const;

  std::string_view text_;
  Strings strings_;
  size_t at_ = 0;
  // The run of operator characters last looked at, so that cutting it into many tokens stays linear.
  size_t run_limit_ = 0;          // Its end, or where a comment begins in it.
  size_t run_special_after_ = 0;  // One past its last character that lets + or - end an operator; 0 if none.
  size_t run_trim_ = 0;           // From here to run_limit_ there is only + and -.
  bool comments_are_terminated_ = true;
};

// Where the token with this ordinal, from 0, begins; npos when there are fewer.
size_t token_begin(std::string_view text, size_t ordinal);

// Whether a word equals `lower`, which is lower-case ASCII, as PostgreSQL compares keywords.
bool is_keyword(std::string_view word, std::string_view lower);

}  // namespace ringfence::sql
