#include "ringfence/sql/split.h"

#include <cstdint>

namespace ringfence::sql {
namespace {

constexpr std::string_view whitespace = " \t\n\r\f";

// Follows the tokens of one statement and knows when a `;` belongs to it.
//
// The grammar is: BEGIN ATOMIC (statement ';')* END, only in CREATE [OR REPLACE] FUNCTION | PROCEDURE,
// outside parentheses. So END closes the body exactly where it stands after a `;` or after ATOMIC: a CASE's
// END never does, and no statement in a body begins with it. `begin` and `atomic` elsewhere are ordinary
// names.
class StatementShape {
 public:
  // True if the `;` ends the statement.
  bool take_semicolon() {
    if (parentheses_ > 0) return false;
    if (bodies_ == 0) return true;
    start_statement();
    return false;
  }
  void take(char c) {
    if (c == '(') ++parentheses_;
    else if (c == ')' && parentheses_ > 0) --parentheses_;
    other();
  }
  void take_word(std::string_view word) {
    if (parentheses_ > 0) return other();
    switch (place_) {
      case Place::start:
        if (bodies_ > 0 && is_keyword(word, "end")) {
          --bodies_;
          return other();
        }
        place_ = is_keyword(word, "create") ? Place::create : Place::elsewhere;
        return;
      case Place::create:
        if (is_keyword(word, "function") || is_keyword(word, "procedure")) place_ = Place::routine;
        else if (!is_keyword(word, "or") && !is_keyword(word, "replace")) place_ = Place::elsewhere;
        return;
      case Place::routine:
        if (is_keyword(word, "begin")) place_ = Place::begin;
        return;
      case Place::begin:
        if (is_keyword(word, "atomic")) {
          ++bodies_;
          start_statement();
        } else if (!is_keyword(word, "begin")) {
          place_ = Place::routine;
        }
        return;
      case Place::elsewhere: return;
    }
  }
  void other() {
    if (place_ == Place::start || place_ == Place::create) place_ = Place::elsewhere;
    else if (place_ == Place::begin) place_ = Place::routine;
  }

 private:
  enum class Place : uint8_t { start, create, routine, begin, elsewhere };

  void start_statement() { place_ = Place::start; }

  size_t parentheses_ = 0;
  size_t bodies_ = 0;
  Place place_ = Place::start;
};

}  // namespace

StatementSplitter::StatementSplitter(std::string_view text) : lexer_(text) {
  // Most texts are one statement, perhaps with a `;` at the very end, and have no comment.
  size_t end = text.find(';');
  if (end == std::string_view::npos) end = text.size();
  else if (text.find_first_not_of(whitespace, end + 1) != std::string_view::npos) return;
  if (text.find("--") != std::string_view::npos || text.find("/*") != std::string_view::npos) return;
  is_simple_ = true;
  const std::string_view body = text.substr(0, end);
  const size_t first = body.find_first_not_of(whitespace);
  if (first != std::string_view::npos) simple_ = Extent{first, body.find_last_not_of(whitespace) + 1};
}

std::optional<Extent> StatementSplitter::next() {
  if (!is_simple_) return next_by_lexer();
  auto out = simple_;
  simple_.reset();
  return out;
}

std::optional<Extent> StatementSplitter::next_by_lexer() {
  StatementShape shape;
  Extent out;
  while (true) {
    const Token token = lexer_.next();
    const std::string_view text = lexer_.text_of(token);
    if (token.kind == TokenKind::end) break;
    if (text == ";" && shape.take_semicolon()) {
      if (out.end == 0) continue;  // An empty statement.
      return out;
    }
    if (token.kind == TokenKind::word) shape.take_word(text);
    else if (text == ";") {
    } else if (token.kind == TokenKind::symbol) shape.take(text[0]);
    else shape.other();
    if (out.end == 0) out.begin = token.begin;
    out.end = token.end;
  }
  if (out.end == 0) return std::nullopt;
  return out;
}

}  // namespace ringfence::sql
