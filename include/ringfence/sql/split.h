// The extents of the statements in a Query message's text, where PostgreSQL's grammar separates them.
//
// A `;` separates unless it stands in parentheses (CREATE RULE … DO (a; b)) or in the BEGIN ATOMIC … END body
// of a CREATE FUNCTION or CREATE PROCEDURE. PostgreSQL parses a whole message before it runs any of it, so
// for text that it would refuse the extents matter to nobody.
//
// What always holds: extents are in order, do not overlap, are not empty, and begin and end with a token: no
// blanks, comments or `;` at either end. No allocation; linear time.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {

struct Extent {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const Extent&) const = default;
  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

class StatementSplitter {
 public:
  // `text` as for Lexer.
  explicit StatementSplitter(std::string_view text);

  // The next statement, or nothing after the last one.
  std::optional<Extent> next();

 private:
  std::optional<Extent> next_by_lexer();

  Lexer lexer_;
  std::optional<Extent> simple_;  // Text that was understood without the lexer.
  bool is_simple_ = false;
};

// Calls visit(Extent) for each statement.
template <typename Visit>
void split_statements(std::string_view text, Visit&& visit) {
  StatementSplitter splitter(text);
  while (auto extent = splitter.next()) visit(*extent);
}

}  // namespace ringfence::sql
