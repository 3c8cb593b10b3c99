#include "ringfence/sql/read_only_form.h"

#include <algorithm>
#include <array>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {

namespace {

constexpr std::array<std::string_view, 3> verbs = {"begin", "start", "set"};
// All that such a statement is made of (gram.y: TransactionStmt, transaction_mode_item, set_rest). What is
// another statement has a word, a sign or a literal besides.
constexpr std::array<std::string_view, 20> words = {
    "begin",           "start",       "set",       "work",  "transaction",  "session",    "local",
    "characteristics", "as",          "isolation", "level", "serializable", "repeatable", "read",
    "committed",       "uncommitted", "only",      "write", "not",          "deferrable"};

bool is_one_of(std::string_view word, const auto& list) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view each) { return is_keyword(word, each); });
}

}  // namespace

std::optional<std::string> read_only_form(std::string_view statement) {
  if (statement.size() > read_only_form_bytes_max) return std::nullopt;
  Lexer lexer(statement);
  std::optional<std::string> out;
  std::string_view before;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    const std::string_view text = lexer.text_of(token);
    if (token.kind == TokenKind::word) {
      if (before.empty() ? !is_one_of(text, verbs) : !is_one_of(text, words)) return std::nullopt;
      if (is_keyword(text, "write")) {
        if (!is_keyword(before, "read")) return std::nullopt;
        if (!out) out.emplace(statement);
        out->replace(token.begin, text.size(), "ONLY ");
      }
    } else if (text != "," || before.empty()) {
      return std::nullopt;
    }
    before = text;
  }
  return lexer.comments_are_terminated() ? out : std::nullopt;
}

}  // namespace ringfence::sql
