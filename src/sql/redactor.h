// Which literals of a statement are secrets, by the tokens around them.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "literal.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/secret_names.h"
#include "secret_columns.h"
#include "secret_shapes.h"

namespace ringfence::sql {

// What was found, in any order and perhaps overlapping.
struct Secrets {
  std::vector<Range> literals;  // Each within one literal.
  uint64_t parameters = 0;      // Bit n: $n+1 stands where a secret would.
};

// Statements within literals within literals: deeper ones are shown as they are. What is looked at stays
// linear.
inline constexpr int nesting_max = 32;

class Redactor {
 public:
  Redactor(std::string_view text, const SecretNames& names, Secrets& secrets, int nesting, bool is_whole)
      : text_(text), names_(names), secrets_(secrets), nesting_(nesting), is_whole_(is_whole), lexer_(text) {}

  void run();
  // The text is a message in words: whatever secret it has, in a literal or not.
  void run_on_message();

 private:
  void take_word(std::string_view word);
  void take_name(std::string_view word, NameStrength strength);
  void take_symbol(std::string_view symbol);
  void open();
  void close();
  void take_announced(std::string_view symbol);
  void take_literal(const Token& token);
  void take_parameter(const Token& token);
  void take_content(std::string_view content, bool is_whole, std::vector<Range>& found);
  char escape_of(const Token& token) const;
  bool is_secret_here() const { return secret_follows_ || is_hiding_ || columns_.is_secret_value(depth_); }
  void hide_from_here(bool stops_at_comma, bool stops_at_clause);
  void end_statement();

  // What a parenthesis is for.
  enum class Paren : uint8_t { other, call, set_config, values, in, options };
  static constexpr size_t parens_max = 64;
  Paren paren() const { return depth_ > 0 && depth_ <= parens_max ? parens_[depth_ - 1] : Paren::other; }

  std::string_view text_;
  const SecretNames& names_;
  Secrets& secrets_;
  int nesting_;
  bool is_whole_;
  Lexer lexer_;

  bool secret_follows_ = false;  // The next literal is a secret.
  bool value_follows_ = false;   // And an operator stands between: `password = lower('x')`.
  bool opens_secrets_ = false;   // The last word's parenthesis would hold secrets.
  NameStrength named_ =
      NameStrength::none;    // By the last name, until something else than its value stands there.
  bool declared_ = false;    // Such a name stands before, with words between at most: v_password text := 'x'.
  bool was_secret_ = false;  // The token before was a secret's literal.
  bool is_cast_ = false;     // The token before was ::.
  Announcement announced_ = Announcement::none;  // By the literal before.

  // Inside an expression or an argument list all of whose literals are secrets.
  bool is_hiding_ = false;
  bool hiding_stops_at_comma_ = false;
  bool hiding_stops_at_clause_ = false;
  size_t hiding_depth_ = 0;

  size_t depth_ = 0;  // Of parentheses.
  Paren parens_[parens_max] = {};
  Paren next_paren_ = Paren::other;
  // Of the statement.
  bool is_first_word_ = true;
  bool is_table_made_ = false;  // CREATE TABLE.
  bool is_create_ = false;
  bool is_update_ = false;   // UPDATE, also of ON CONFLICT.
  bool is_setting_ = false;  // SET name TO …
  bool is_raise_ = false;    // RAISE of PL/pgSQL.
  bool is_after_dot_ = false;
  SecretColumns columns_;
};

}  // namespace ringfence::sql
