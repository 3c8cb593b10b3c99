#include "sql_names.h"

#include <charconv>

#include "recorder.h"
#include "ringfence/base/utf8.h"
#include "ringfence/sql/command_tag.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/split.h"

namespace ringfence::proxy {

using Kind = pg::NameChange::Kind;
using sql::Token;
using sql::TokenKind;

namespace {

constexpr size_t name_bytes_max = 63;  // NAMEDATALEN - 1; longer names are cut by the server.

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

// U&"d\0061t": the escape is a backslash unless UESCAPE names another.
std::string unicode_name(std::string_view text, char escape) {
  std::string name;
  if (text.size() < 4) return name;
  text = text.substr(3, text.size() - 4);
  uint32_t high = 0;  // Of a surrogate pair.
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') ++i;  // Doubled.
    if (i >= text.size()) break;
    if (text[i] != escape || (i + 1 < text.size() && text[i + 1] == escape)) {
      if (text[i] == escape) ++i;
      name.push_back(text[i]);
      continue;
    }
    const bool is_long = i + 1 < text.size() && text[i + 1] == '+';
    const size_t begin = i + (is_long ? 2 : 1), length = is_long ? 6 : 4;
    uint32_t code = 0;
    if (begin + length > text.size() ||
        std::from_chars(text.data() + begin, text.data() + begin + length, code, 16).ptr != text.data() + begin + length) {
      return {};  // The server refuses it.
    }
    i = begin + length - 1;
    if (code >= 0xD800 && code < 0xDC00) {
      high = code;
    } else if (code >= 0xDC00 && code < 0xE000) {
      append_utf8(name, 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00));
    } else if (code <= 0x10FFFF) {
      append_utf8(name, code);
    }
  }
  return name;
}

// An identifier as the server folds it.
std::string folded(const sql::Lexer& lexer, const Token& token) {
  std::string_view text = lexer.text_of(token);
  std::string name;
  if (token.kind == TokenKind::unicode_identifier) {
    sql::Lexer behind = lexer;
    char escape = '\\';
    const Token word = behind.next();
    if (word.kind == TokenKind::word && sql::is_keyword(behind.text_of(word), "uescape")) {
      const std::string_view quoted = behind.text_of(behind.next());
      if (quoted.size() == 3) escape = quoted[1];
    }
    name = unicode_name(text, escape);
  } else if (token.kind == TokenKind::quoted_identifier && text.size() >= 2) {
    text = text.substr(1, text.size() - 2);
    for (size_t i = 0; i < text.size(); ++i) {
      name.push_back(text[i]);
      if (text[i] == '"') ++i;
    }
  } else {
    for (char c : text) name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return std::string(text_prefix(name, name_bytes_max));
}

bool is_name(const Token& token) {
  return token.kind == TokenKind::word || token.kind == TokenKind::quoted_identifier ||
         token.kind == TokenKind::unicode_identifier;
}
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

pg::NameChange recognise_name_change(ByteView statement, pg::ObjectPools& pools, size_t text_bytes_max) {
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
    if (!is_name(name) || is_word(lexer, name, "transaction")) return {};
    pg::NameChange change = named(Kind::prepare, pools, folded(lexer, name));
    take_body(lexer, statement, "as", text_bytes_max, *change.prepared);
    return change;
  }
  if (is_word(lexer, verb, "declare")) {
    Token name = lexer.next();
    if (!is_name(name)) return {};
    pg::NameChange change = named(Kind::declare, pools, folded(lexer, name));
    take_body(lexer, statement, "for", text_bytes_max, *change.prepared);
    return change;
  }
  if (is_word(lexer, verb, "deallocate")) {
    Token name = lexer.next();
    if (is_word(lexer, name, "prepare")) name = lexer.next();
    if (is_word(lexer, name, "all")) return named(Kind::deallocate_all, pools, "");
    return is_name(name) ? named(Kind::deallocate, pools, folded(lexer, name)) : pg::NameChange{};
  }
  if (is_word(lexer, verb, "close")) {
    Token name = lexer.next();
    if (is_word(lexer, name, "all")) return named(Kind::close_all, pools, "");
    return is_name(name) ? named(Kind::close, pools, folded(lexer, name)) : pg::NameChange{};
  }
  if (is_word(lexer, verb, "discard") && is_word(lexer, lexer.next(), "all")) {
    return named(Kind::discard_all, pools, "");
  }
  return {};
}

bool makes_names(ByteView text, pg::ObjectPools& pools) {
  bool any = false;
  sql::split_statements(text, [&](sql::Extent extent) {
    const Kind kind = any ? Kind::none : recognise_name_change(extent.of(text), pools, 0).kind;
    any = any || kind == Kind::prepare || kind == Kind::declare;
  });
  return any;
}

}  // namespace ringfence::proxy
