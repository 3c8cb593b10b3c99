#include "sql_names.h"

#include "recorder.h"
#include "ringfence/sql/command_tag.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/split.h"
#include "sql_identifier.h"

namespace ringfence::proxy {

using Kind = pg::NameChange::Kind;
using sql::Token;
using sql::TokenKind;

namespace {

bool is_word(const sql::Lexer& lexer, const Token& token, std::string_view keyword) {
  return token.kind == TokenKind::word && sql::is_keyword(lexer.text_of(token), keyword);
}

pg::NameChange named(Kind kind, pg::ObjectPools& pools, std::string name) {
  pg::NameChange change;
  change.kind = kind;
  change.prepared = pools.prepared.make();
  change.prepared->name = std::move(name);
  return change;
}

// What stands behind the keyword (AS, FOR) at the top level: the statement that the name stands for.
void take_body(sql::Lexer& lexer, ByteView statement, std::string_view keyword, size_t bytes_max,
               pg::Prepared& prepared) {
  int depth = 0;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    std::string_view text = lexer.text_of(token);
    if (text == "(") ++depth;
    if (text == ")") --depth;
    if (depth != 0 || !is_word(lexer, token, keyword)) continue;
    Token first = lexer.next();
    size_t begin = first.kind == TokenKind::end ? statement.size() : first.begin;
    ByteView body = statement.substr(begin);
    take_statement_text(body, body.size(), bytes_max, prepared.statement);
    prepared.expected = sql::expected_tag(body);
    return;
  }
}

}  // namespace

pg::NameChange recognise_name_change(ByteView statement, pg::ObjectPools& pools, size_t text_bytes_max,
                                     const pg::NameEncodings& encodings) {
  // Nearly every statement is told by its first letter.
  size_t start = statement.find_first_not_of("; \t\r\n\f\v");
  if (start == ByteView::npos) return {};
  char letter = statement[start];
  if (letter != 'P' && letter != 'p' && letter != 'D' && letter != 'd' && letter != 'C' && letter != 'c' &&
      letter != '-' && letter != '/') {
    return {};
  }
  sql::Lexer lexer(statement);
  Token verb = lexer.next();
  while (verb.kind == TokenKind::symbol && lexer.text_of(verb) == ";") verb = lexer.next();
  if (verb.kind != TokenKind::word) return {};
  if (is_word(lexer, verb, "prepare")) {
    Token name = lexer.next();
    if (!is_identifier(name) || is_word(lexer, name, "transaction")) return {};
    pg::NameChange change = named(Kind::prepare, pools, kept_identifier(lexer, name, encodings));
    take_body(lexer, statement, "as", text_bytes_max, *change.prepared);
    return change;
  }
  if (is_word(lexer, verb, "declare")) {
    Token name = lexer.next();
    if (!is_identifier(name)) return {};
    pg::NameChange change = named(Kind::declare, pools, kept_identifier(lexer, name, encodings));
    take_body(lexer, statement, "for", text_bytes_max, *change.prepared);
    return change;
  }
  if (is_word(lexer, verb, "deallocate")) {
    Token name = lexer.next();
    if (is_word(lexer, name, "prepare")) name = lexer.next();
    if (is_word(lexer, name, "all")) return named(Kind::deallocate_all, pools, "");
    return is_identifier(name) ? named(Kind::deallocate, pools, kept_identifier(lexer, name, encodings))
                               : pg::NameChange{};
  }
  if (is_word(lexer, verb, "close")) {
    Token name = lexer.next();
    if (is_word(lexer, name, "all")) return named(Kind::close_all, pools, "");
    return is_identifier(name) ? named(Kind::close, pools, kept_identifier(lexer, name, encodings))
                               : pg::NameChange{};
  }
  if (is_word(lexer, verb, "discard") && is_word(lexer, lexer.next(), "all")) {
    return named(Kind::discard_all, pools, "");
  }
  return {};
}

bool makes_names(ByteView text, pg::ObjectPools& pools) {
  bool any = false;
  sql::split_statements(text, [&](sql::Extent extent) {
    const Kind kind = any ? Kind::none : recognise_name_change(extent.of(text), pools, 0, {}).kind;
    any = any || kind == Kind::prepare || kind == Kind::declare;
  });
  return any;
}

}  // namespace ringfence::proxy
