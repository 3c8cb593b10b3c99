#include "unseen.h"

#include <algorithm>
#include <string_view>

#include "ringfence/policy/harmless.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

using pg::Unseen;
using sql::Token;
using sql::TokenKind;

Unseen unseen_by(const sql::Facts& facts, int server_version) {
  if (facts.is_opaque || !policy::calls_only_harmless(facts, server_version)) return Unseen::code;
  if (facts.writes()) return Unseen::trigger;
  switch (facts.control) {
    case sql::Control::commit:
    case sql::Control::prepare_transaction:
    case sql::Control::commit_prepared: return Unseen::ends;
    default: break;
  }
  return facts.relations.empty() ? Unseen::none : Unseen::relation;
}

namespace {

template <size_t n>
bool is_one_of(std::string_view word, const std::string_view (&words)[n]) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view each) { return sql::is_keyword(word, each); });
}

// They run nothing that they do not name.
constexpr std::string_view quiet[] = {"begin",      "start",   "rollback", "abort", "savepoint", "release",
                                      "show",       "reset",   "prepare",  "close", "discard",   "listen",
                                      "deallocate", "unlisten", "notify",  "lock",  "checkpoint"};
constexpr std::string_view ending[] = {"commit", "end"};
// Looked into.
constexpr std::string_view reading[] = {"select", "values", "with", "table", "declare", "explain"};
constexpr std::string_view writing[] = {"insert", "update", "delete", "merge", "into", "execute"};
// Behind these stands a parenthesis that is no call, or a call of the grammar's own.
constexpr std::string_view no_function[] = {
    "in",       "values",  "and",      "or",      "not",     "any",     "all",       "some",      "exists",  "as",
    "from",     "where",   "on",       "using",   "select",  "case",    "when",      "then",      "else",    "between",
    "like",     "ilike",   "by",       "having",  "limit",   "offset",  "union",     "except",    "intersect",
    "row",      "array",   "over",     "filter",  "group",   "cast",    "coalesce",  "nullif",    "greatest",
    "least",    "extract", "overlay",  "position", "substring", "trim", "grouping",  "normalize", "distinct",
    "explain",  "varchar", "numeric",  "decimal", "dec",     "char",    "character", "varying",   "bit",
    "time",     "timestamp", "interval", "float", "first",   "next",    "is",        "with",      "materialized"};

// What follows the first word of a statement, up to its end. Stops where more than `none` is known.
Unseen look_into(sql::Lexer& lexer, Token& token) {
  Token before{};      // A name, if that is what stood before.
  Token qualifier{};   // What stood before its dot.
  bool is_behind_from = false;
  bool has_from = false;
  for (token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    const std::string_view text = lexer.text_of(token);
    if (text == ";") return Unseen::none;
    const bool is_name = token.kind == TokenKind::word || token.kind == TokenKind::quoted_identifier ||
                         token.kind == TokenKind::unicode_identifier;
    if (text == "(" && before.kind != TokenKind::end) {
      const std::string_view name = lexer.text_of(before);
      if (before.kind != TokenKind::word) return Unseen::code;
      if (!is_one_of(name, no_function) || qualifier.kind != TokenKind::end) {
        char room[64];
        if (name.size() > sizeof room) return Unseen::code;
        std::transform(name.begin(), name.end(), room,
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        const std::string_view folded(room, name.size());
        const bool is_catalog =
            qualifier.kind == TokenKind::end || sql::is_keyword(lexer.text_of(qualifier), "pg_catalog");
        if (!is_catalog || !policy::is_harmless_function({}, folded, newest_server_version)) return Unseen::code;
      }
    } else if (is_behind_from && before.kind != TokenKind::end && text != "." && text != "(") {
      return Unseen::relation;
    }
    if (has_from && (text == "," || (token.kind == TokenKind::word && sql::is_keyword(text, "join")))) {
      return Unseen::relation;
    }
    if (token.kind == TokenKind::word) {
      if (is_one_of(text, writing)) return Unseen::trigger;
      if (sql::is_keyword(text, "table")) return Unseen::relation;
      if (sql::is_keyword(text, "from")) {
        is_behind_from = has_from = true;
        before = qualifier = {};
        continue;
      }
    }
    if (text == ".") {
      qualifier = before;
      before = {};
      continue;
    }
    if (!is_name) {
      before = qualifier = {};
      is_behind_from = false;
      continue;
    }
    if (before.kind != TokenKind::end) qualifier = {};
    before = token;
  }
  return is_behind_from && before.kind != TokenKind::end ? Unseen::relation : Unseen::none;
}

void skip_statement(sql::Lexer& lexer, Token& token) {
  while (token.kind != TokenKind::end && lexer.text_of(token) != ";") token = lexer.next();
}

}  // namespace

Unseen unseen_by_words(ByteView text) {
  Unseen found = Unseen::none;
  sql::Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    const std::string_view word = lexer.text_of(token);
    if (word == ";" || word == "(") continue;
    if (token.kind != TokenKind::word) return Unseen::code;
    if (is_one_of(word, ending)) {
      found = Unseen::ends;
      skip_statement(lexer, token);
    } else if (sql::is_keyword(word, "set")) {
      token = lexer.next();
      if (sql::is_keyword(lexer.text_of(token), "constraints")) found = Unseen::ends;
      skip_statement(lexer, token);
    } else if (is_one_of(word, quiet)) {
      // PREPARE TRANSACTION ends one.
      const bool is_prepare = sql::is_keyword(word, "prepare");
      token = lexer.next();
      if (is_prepare && sql::is_keyword(lexer.text_of(token), "transaction")) found = Unseen::ends;
      skip_statement(lexer, token);
    } else if (sql::is_keyword(word, "table")) {
      return Unseen::relation;
    } else if (is_one_of(word, reading)) {
      const Unseen inside = look_into(lexer, token);
      if (inside != Unseen::none) return inside;
    } else {
      return is_one_of(word, writing) ? Unseen::trigger : Unseen::code;
    }
  }
  return found;
}

bool keeps_settings(ByteView text) {
  constexpr std::string_view setter = "set_config";
  const bool is_select = text.size() >= 6 && sql::is_keyword(text.substr(0, 6), "select");
  if (!is_select || unseen_by_words(text) != Unseen::none) return false;
  sql::Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    // One statement alone, which names the function in no way.
    const bool is_word = token.kind == TokenKind::word;
    if (lexer.text_of(token) == ";" || token.kind == TokenKind::unicode_identifier ||
        token.kind == TokenKind::quoted_identifier || (is_word && sql::is_keyword(lexer.text_of(token), setter))) {
      return false;
    }
  }
  return true;
}

}  // namespace ringfence::proxy
