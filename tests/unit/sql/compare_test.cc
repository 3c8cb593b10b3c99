// Our lexer and splitter against PostgreSQL's own, by libpg_query: on a corpus and on random mixtures of
// pieces.
#include <doctest/doctest.h>
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/sql/lex.h"
#include "ringfence/sql/split.h"

using namespace ringfence::sql;

namespace {

using Spans = std::vector<std::pair<size_t, size_t>>;

// PostgreSQL's tokens without comments; false if it reports an error.
bool their_tokens(const std::string& text, Spans& out) {
  PgQueryScanResult result = pg_query_scan(text.c_str());
  const bool is_good = result.error == nullptr;
  if (is_good) {
    auto* scan =
        pg_query__scan_result__unpack(nullptr, result.pbuf.len, reinterpret_cast<uint8_t*>(result.pbuf.data));
    for (size_t i = 0; i < scan->n_tokens; ++i) {
      const auto* token = scan->tokens[i];
      if (token->token == PG_QUERY__TOKEN__SQL_COMMENT || token->token == PG_QUERY__TOKEN__C_COMMENT)
        continue;
      // libpg_query gives no usable end for U&'x' and U&"x"; the token after it shows where it ended.
      const bool has_end =
          token->token != PG_QUERY__TOKEN__USCONST && token->token != PG_QUERY__TOKEN__UIDENT;
      out.emplace_back(token->start, has_end ? token->end : 0);
    }
    pg_query__scan_result__free_unpacked(scan, nullptr);
  }
  pg_query_free_scan_result(result);
  return is_good;
}

Spans our_tokens(std::string_view text) {
  Spans out;
  Lexer lexer(text);
  for (Token t = lexer.next(); t.kind != TokenKind::end; t = lexer.next()) {
    const bool has_end = t.kind != TokenKind::unicode_string && t.kind != TokenKind::unicode_identifier;
    out.emplace_back(t.begin, has_end ? t.end : 0);
  }
  return out;
}

// libpg_query keeps comments as tokens and so, unlike PostgreSQL, does not continue a string over one.
bool continues_over_comment(std::string_view text) {
  Lexer lexer(text);
  for (Token t = lexer.next(); t.kind != TokenKind::end; t = lexer.next())
    if (t.is_string() && lexer.text_of(t).find("--") != std::string_view::npos &&
        lexer.text_of(t).find_first_of("\n\r") != std::string_view::npos)
      return true;
  return false;
}

// Text of an extent without blanks and comments at its ends, so that both sides' ideas of trimming agree.
std::string trimmed(std::string_view text) {
  Lexer lexer(text);
  const Token first = lexer.next();
  Token last = first;
  for (Token t = first; t.kind != TokenKind::end; t = lexer.next()) last = t;
  return std::string(text.substr(first.begin, last.end - first.begin));
}

bool their_statements(const std::string& text, bool by_parser, std::vector<std::string>& out) {
  PgQuerySplitResult result =
      by_parser ? pg_query_split_with_parser(text.c_str()) : pg_query_split_with_scanner(text.c_str());
  const bool is_good = result.error == nullptr;
  for (int i = 0; is_good && i < result.n_stmts; ++i) {
    const auto* statement = result.stmts[i];
    const auto begin = static_cast<size_t>(statement->stmt_location);
    const auto size = static_cast<size_t>(statement->stmt_len);
    out.push_back(trimmed(std::string_view(text).substr(begin, size == 0 ? std::string::npos : size)));
  }
  pg_query_free_split_result(result);
  return is_good;
}

std::vector<std::string> our_statements(std::string_view text) {
  std::vector<std::string> out;
  split_statements(text, [&](Extent extent) { out.emplace_back(extent.of(text)); });
  return out;
}

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> texts = {
      "select 1",
      "SELECT a, \"B\", $1, 'it''s', E'\\'', U&'d\\0061t' FROM t WHERE x=-1 AND y<>2 -- end",
      "insert into t values (1, 'a'), (2, $$b;c$$); update t set a = a+-1 where b !=- 2; delete from t",
      "select x::int, y[1:2], a.b.c, .5, 1., 1.5e10, 2e-3, f(a => 1, b := 2)",
      "select 'a'\n  'b' -- c\n  'd', 'x' 'y'",
      "select j->'a'->>'b', j#>>'{a}', a @> b, c ?| d, ~5, |/ 4, 5!=6, a<@b, a||b||'c', a ~~* b",
      "select /* a /* nested */ ; */ 1 /**/ + /***/ 2 --;\n;;; select 3;",
      "create rule r as on insert to t do also (insert into a values (1); insert into b values (2)); select "
      "1",
      "create function f() returns int language sql begin atomic select case when true then 1 else 2 end; "
      "end; select 2",
      "create function f() returns int begin atomic select 1 as case; end; drop table t",
      "create function f() returns int begin atomic select 1 case; select 2 as end; end; drop table t",
      "create procedure p() begin atomic end; select 1",
      "create or replace procedure p(begin int) begin atomic ; ; insert into t values (1); end; commit",
      "create function f() returns int begin atomic select begin atomic from t; return 1; end; drop table t",
      "begin; select 1; end; begin transaction; rollback",
      "do $body$ begin perform 1; end $body$; select $1$$;$$",
      "select N'abc', n'x', B'01', x'1F', b'0''1'",
      "copy t from stdin; copy (select 1; ) to stdout",
      "select * from t where a in (1,2,3) and b between 1 and 2;\r\n\tselect\f2",
      "prepare p as select $1; execute p(1); deallocate all",
      "select \"a\"\"b;\", U&\"x\\0041;\" from \"s;t\".\"u\"",
      "select 1..2, 1.2.3",
      "select u&b, u & b, e, x, n, b",
      "explain (analyze) with d as (delete from t returning *) select * into x from d",
      "select a$b$c, _x$1, \xc3\xa4\xc3\xb6 from t\xc3\xbc",
      "",
      ";",
      "-- only a comment",
      "select '\\'; delete from t; --'",
      "select $a$ $b$ ; $a$; select $$ $a$ $$",
  };
  return texts;
}

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string_view> pieces = {
      "select", " ",  "\n",  "\t", ";",     "'",        "''",         "'a'",       "\"",     "\"x\"",
      "$",      "$$", "$a$", "$1", "E'",    "e'\\''",   "U&'",        "u&\"",      "B'",     "x'0",
      "N'",     "--", "/*",  "*/", "-",     "+",        "*",          "/",         "=",      "<",
      ">",      "!",  "@",   "|",  "#",     "1",        "2.5",        ".",         "..",     ":",
      "::",     ":=", "(",   ")",  "begin", "atomic",   "end",        "case",      "create", "function",
      "a",      "e",  "u",   "&",  "\\",    ",",        "[",          "]",         "~",      "?",
      "`",      "%",  "^",   "\r", "\f",    "\xc3\xa9", "or replace", "procedure", "f()"};
  std::string out;
  for (auto count = random() % 24; count > 0; --count) out += pieces[random() % pieces.size()];
  return out;
}

}  // namespace

TEST_CASE("tokens are PostgreSQL's on the corpus and on every prefix of it") {
  for (const std::string& text : corpus())
    for (size_t size = 0; size <= text.size(); ++size) {
      const std::string prefix = text.substr(0, size);
      Spans theirs;
      if (continues_over_comment(prefix) || !their_tokens(prefix, theirs)) continue;
      CAPTURE(prefix);
      REQUIRE(our_tokens(prefix) == theirs);
    }
}

TEST_CASE("tokens are PostgreSQL's on random text wherever it accepts the text") {
  const unsigned seed = 20;
  std::mt19937 random(seed);
  int compared = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string text = random_text(random);
    Spans theirs;
    if (continues_over_comment(text) || !their_tokens(text, theirs)) continue;
    CAPTURE(text);
    REQUIRE(our_tokens(text) == theirs);
    ++compared;
  }
  CHECK(compared > 5'000);
}

TEST_CASE("statements are those of PostgreSQL's parser on the corpus and its pairs") {
  int compared = 0;
  for (const std::string& first : corpus())
    for (const std::string& second : corpus()) {
      const std::string text = first + "\n;" + second;
      std::vector<std::string> theirs;
      if (!their_statements(text, true, theirs)) continue;
      CAPTURE(text);
      REQUIRE(our_statements(text) == theirs);
      ++compared;
    }
  CHECK(compared > 100);
}

TEST_CASE("statements are those of PostgreSQL's scanner where no routine has a body") {
  std::mt19937 random(7);
  int compared = 0;
  for (int i = 0; i < 60'000; ++i) {
    // Its scanner overlooks statements without a keyword, so each begins with one.
    std::string text = "select ";
    for (char c : random_text(random)) (text += c) += c == ';' ? "select " : "";
    if (text.find("atomic") != std::string::npos || text.find(')') != std::string::npos ||
        text.find('(') != std::string::npos)
      continue;
    std::vector<std::string> theirs;
    if (continues_over_comment(text) || !their_statements(text, false, theirs)) continue;
    CAPTURE(text);
    REQUIRE(our_statements(text) == theirs);
    ++compared;
  }
  CHECK(compared > 2'000);
}
