#include "unseen.h"

#include <algorithm>
#include <string_view>

#include "ringfence/policy/harmless.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

using pg::Unseen;
using sql::Token;
using sql::TokenKind;

namespace {
bool may_run_own(ByteView statement);
}  // namespace

Unseen unseen_by(const sql::Facts& facts, ByteView statement, int server_version) {
  if (facts.is_opaque || !policy::calls_only_harmless(facts, server_version)) return Unseen::code;
  if (facts.writes()) return Unseen::trigger;
  switch (facts.control) {
    case sql::Control::commit:
    case sql::Control::prepare_transaction:
    case sql::Control::commit_prepared: return Unseen::ends;
    default: break;
  }
  return facts.relations.empty() && !may_run_own(statement) ? Unseen::none : Unseen::relation;
}

namespace {

template <size_t n>
bool is_one_of(std::string_view word, const std::string_view (&words)[n]) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view each) { return sql::is_keyword(word, each); });
}

// They run nothing that they do not name.
constexpr std::string_view quiet[] = {"begin",      "start",    "rollback", "abort", "savepoint", "release",
                                      "show",       "reset",    "prepare",  "close", "discard",   "listen",
                                      "deallocate", "unlisten", "notify",   "lock",  "checkpoint"};
constexpr std::string_view ending[] = {"commit", "end"};
// Looked into.
constexpr std::string_view reading[] = {"select", "values", "with", "table", "declare", "explain"};
constexpr std::string_view writing[] = {"insert", "update", "delete", "merge", "into", "execute"};
// Behind these stands a parenthesis that is no call, or a call of the grammar's own.
constexpr std::string_view no_function[] = {
    "in",          "values",    "and",       "or",       "not",       "any",       "all",      "some",
    "exists",      "as",        "from",      "where",    "on",        "using",     "select",   "case",
    "when",        "then",      "else",      "between",  "like",      "ilike",     "by",       "having",
    "limit",       "offset",    "union",     "except",   "intersect", "row",       "array",    "over",
    "filter",      "group",     "cast",      "coalesce", "nullif",    "greatest",  "least",    "extract",
    "overlay",     "position",  "substring", "trim",     "grouping",  "normalize", "distinct", "explain",
    "varchar",     "numeric",   "decimal",   "dec",      "char",      "character", "varying",  "bit",
    "time",        "timestamp", "interval",  "float",    "first",     "next",      "is",       "with",
    "materialized"};

// These come to an operator, a cast or a comparison, and their types say to which.
constexpr std::string_view comparing[] = {"in",     "between", "like", "ilike", "similar", "distinct",
                                          "nullif", "case",    "cast", "any",   "some",    "operator"};

bool is_operator(const Token& token, std::string_view text) {
  if (token.kind == TokenKind::operation) return true;
  if (token.kind == TokenKind::word) return is_one_of(text, comparing);
  return token.kind == TokenKind::symbol &&
         (text == "::" || std::string_view("+-*/%^<>=").find(text) != std::string_view::npos);
}

bool is_string(TokenKind kind) {
  switch (kind) {
    case TokenKind::string:
    case TokenKind::escape_string:
    case TokenKind::unicode_string:
    case TokenKind::dollar_string: return true;
    default: return false;
  }
}

// What stands before a token: a name and its qualifier, or neither.
struct Before {
  Token name{};
  Token qualifier{};
  bool is_closed = false;  // A parenthesis or bracket.

  bool has_name() const { return name.kind != TokenKind::end; }
  bool has_qualifier() const { return qualifier.kind != TokenKind::end; }
};

// A parenthesis behind a name. One of the catalog's functions is called surely where its schema is written:
// otherwise a function of that name may be nearer, or fit the arguments better.
Unseen call_of(const sql::Lexer& lexer, const Before& before) {
  const std::string_view name = lexer.text_of(before.name);
  if (before.name.kind != TokenKind::word) return Unseen::code;
  if (!before.has_qualifier() && is_one_of(name, no_function)) return Unseen::none;
  char room[64];
  if (name.size() > sizeof room) return Unseen::code;
  std::transform(name.begin(), name.end(), room,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view folded(room, name.size());
  const bool is_catalog =
      before.has_qualifier() && sql::is_keyword(lexer.text_of(before.qualifier), "pg_catalog");
  if (before.has_qualifier() && !is_catalog) return Unseen::code;
  if (!policy::is_harmless_function({}, folded, newest_server_version)) return Unseen::code;
  return is_catalog ? Unseen::none : Unseen::relation;
}

// What follows the first word of a statement, up to its end, or up to where nothing worse can come.
Unseen look_into(sql::Lexer& lexer, Token& token) {
  Before before;
  bool is_behind_from = false;
  bool has_from = false;
  Unseen found = Unseen::none;
  for (token = lexer.next(); token.kind != TokenKind::end && found < Unseen::trigger; token = lexer.next()) {
    const std::string_view text = lexer.text_of(token);
    if (text == ";") break;
    const bool is_name = token.kind == TokenKind::word || token.kind == TokenKind::quoted_identifier ||
                         token.kind == TokenKind::unicode_identifier;
    if (text == "(" && before.has_name()) {
      found = std::max(found, call_of(lexer, before));
    } else if (is_behind_from && before.has_name() && text != "." && text != "(") {
      found = std::max(found, Unseen::relation);
    }
    if (has_from && (text == "," || (token.kind == TokenKind::word && sql::is_keyword(text, "join")))) {
      found = std::max(found, Unseen::relation);
    }
    if (is_operator(token, text)) found = std::max(found, Unseen::relation);
    // A constant of a type: a domain's constraints are checked.
    const bool is_keyword = before.name.kind == TokenKind::word && !before.has_qualifier() &&
                            is_one_of(lexer.text_of(before.name), no_function);
    if (is_string(token.kind) && before.has_name() && !is_keyword) found = std::max(found, Unseen::relation);
    if (token.kind == TokenKind::word) {
      if (is_one_of(text, writing)) return Unseen::trigger;
      if (sql::is_keyword(text, "table")) found = std::max(found, Unseen::relation);
      if (sql::is_keyword(text, "from")) {
        is_behind_from = has_from = true;
        before = {};
        continue;
      }
    }
    if (text == ".") {
      // (value).name may be a call of that function.
      if (before.is_closed) return Unseen::code;
      before = {{}, before.name, false};
      continue;
    }
    if (!is_name) {
      before = {{}, {}, text == ")" || text == "]"};
      is_behind_from = false;
      continue;
    }
    before = {token, before.has_name() ? Token{} : before.qualifier, false};
  }
  return is_behind_from && before.has_name() ? std::max(found, Unseen::relation) : found;
}

void skip_statement(sql::Lexer& lexer, Token& token) {
  while (token.kind != TokenKind::end && lexer.text_of(token) != ";") token = lexer.next();
}

// Whether a statement that reads no relation comes to an operator, a cast or a function that may be
// somebody's own.
bool may_run_own(ByteView statement) {
  sql::Lexer lexer(statement);
  Token token = lexer.next();
  while (lexer.text_of(token) == ";" || lexer.text_of(token) == "(") token = lexer.next();
  const std::string_view word = lexer.text_of(token);
  if (token.kind != TokenKind::word) return false;
  // Behind their names stand arguments, or types.
  if (sql::is_keyword(word, "execute") || sql::is_keyword(word, "prepare")) lexer.next();
  else if (!is_one_of(word, reading) && !sql::is_keyword(word, "copy")) return false;
  return look_into(lexer, token) != Unseen::none;
}

}  // namespace

Unseen unseen_by_words(ByteView text) {
  // A blank from PostgreSQL 16 on, and refused before: its words are others than ours.
  if (text.find('\v') != ByteView::npos) return Unseen::code;
  Unseen found = Unseen::none;
  sql::Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    const std::string_view word = lexer.text_of(token);
    if (word == ";" || word == "(") continue;
    if (token.kind != TokenKind::word) return Unseen::code;
    if (is_one_of(word, ending)) {
      found = std::max(found, Unseen::ends);
      skip_statement(lexer, token);
    } else if (sql::is_keyword(word, "set")) {
      token = lexer.next();
      if (sql::is_keyword(lexer.text_of(token), "constraints")) found = std::max(found, Unseen::ends);
      skip_statement(lexer, token);
    } else if (is_one_of(word, quiet)) {
      // PREPARE TRANSACTION ends one.
      const bool is_prepare = sql::is_keyword(word, "prepare");
      token = lexer.next();
      if (is_prepare && sql::is_keyword(lexer.text_of(token), "transaction"))
        found = std::max(found, Unseen::ends);
      skip_statement(lexer, token);
    } else if (sql::is_keyword(word, "table")) {
      found = std::max(found, Unseen::relation);
      skip_statement(lexer, token);
    } else if (is_one_of(word, reading)) {
      found = std::max(found, look_into(lexer, token));
      if (found >= Unseen::trigger) return found;
      if (token.kind == TokenKind::end) return found;
    } else {
      return is_one_of(word, writing) ? Unseen::trigger : Unseen::code;
    }
  }
  return found;
}

bool has_own_type(const std::vector<uint32_t>& types) {
  constexpr uint32_t first_own = 16'384;  // FirstNormalObjectId
  return std::any_of(types.begin(), types.end(), [](uint32_t type) { return type >= first_own; });
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
        token.kind == TokenKind::quoted_identifier ||
        (is_word && sql::is_keyword(lexer.text_of(token), setter))) {
      return false;
    }
  }
  return true;
}

}  // namespace ringfence::proxy
