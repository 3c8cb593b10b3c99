// Names in SQL as the server keeps them, and what statements may run out of sight.
#include <doctest/doctest.h>

#include "proxy/pg/sql_identifier.h"
#include "proxy/pg/unseen.h"
#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::proxy;
using pg::Unseen;

namespace {

std::string kept(std::string_view text, std::string_view client = "UTF8", std::string_view server = "UTF8") {
  sql::Lexer lexer(text);
  const sql::Token token = lexer.next();
  return kept_identifier(lexer, token, {pg::Encoding::named(client), pg::Encoding::named(server)});
}
bool is_unknown(std::string_view text, std::string_view client = "UTF8", std::string_view server = "UTF8") {
  return pg::is_unknown_name(kept(text, client, server));
}

}  // namespace

TEST_CASE("identifiers are folded, unquoted and cut as the server does it") {
  CHECK(kept("Data") == "data");
  CHECK(kept("\"Da\"\"ta\"") == "Da\"ta");
  const std::string n(62, 'n');
  CHECK(kept("\"" + n + "\xc3\xa9\"") == n);
  CHECK(kept(n + "xy") == n + "x");
  CHECK(kept("\xc3\x84pfel") == "\xc3\x84pfel");
  CHECK(kept("\"\xc4\"", "LATIN1") == "\xc3\x84");
  CHECK(kept("\"\xc3\x84\"", "UTF8", "LATIN1") == "\xc4");
  // A server with single bytes folds by its locale, which is not known.
  CHECK(is_unknown("\xc3\x84pfel", "UTF8", "LATIN1"));
  CHECK(is_unknown("\"\xe6\x97\xa5\"", "UTF8", "LATIN1"));
}

TEST_CASE("UESCAPE is read in each form of a literal that the server takes") {
  for (const char* escape :
       {"", " UESCAPE '\\'", " uescape E'\\\\'", " UESCAPE $$\\$$", " UESCAPE E'\\x5c'", " UESCAPE E'\\134'",
        " UESCAPE E'\\u005C'", " UESCAPE $x$\\$x$", " /* ' */ UESCAPE '\\'\n''"}) {
    CAPTURE(escape);
    CHECK(kept(std::string("U&\"d\\0061ta\"") + escape) == "data");
  }
  CHECK(kept("U&\"d!0061ta!!\" UESCAPE $$!$$") == "data!");
  CHECK(kept("U&\"\\D83D\\DE00\\+01F600\"") == "\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
  CHECK(kept("U&\"\\00E9\"", "LATIN1", "LATIN1") == "\xe9");
  CHECK(kept("U&\"\\00E9\xe9\"", "LATIN1") == "\xc3\xa9\xc3\xa9");
  // The server refuses these.
  for (const char* text :
       {"U&\"\\D83D\"", "U&\"\\DE00\"", "U&\"\\00\"", "U&\"a\" UESCAPE 'ab'", "U&\"a\" UESCAPE 'a'",
        "U&\"a\" UESCAPE ''''", "U&\"a\" UESCAPE N'!'", "U&\"a\" UESCAPE U&'!'"}) {
    CAPTURE(text);
    CHECK(is_unknown(text));
  }
}

TEST_CASE("by its words a statement runs nothing out of sight, or may") {
  for (const std::string text :
       {"SELECT 1", "select pg_catalog.lower('f()'), coalesce(x)", "BEGIN; SAVEPOINT a; ROLLBACK",
        "SET a = b", "VALUES (1), (2)", "PREPARE a AS SELECT f()", "DEALLOCATE a",
        "SELECT 'x' UNION ALL SELECT interval '1 day'", "SET a = 'b'", "SELECT (1, 2), $1", "SHOW a", ""}) {
    CAPTURE(text);
    CHECK(unseen_by_words(text) == Unseen::none);
  }
  for (const std::string text :
       {"COMMIT", "SELECT 1; END", "PREPARE TRANSACTION 'x'", "SET CONSTRAINTS ALL IMMEDIATE"}) {
    CAPTURE(text);
    CHECK(unseen_by_words(text) == Unseen::ends);
  }
  for (const std::string text : {"DO $$ $$",
                                 "CALL p()",
                                 "SELECT f()",
                                 "SELECT s.lower('x')",
                                 "SELECT \"lower\"('x')",
                                 "SELECT 1 FROM t",
                                 "TABLE t",
                                 "SELECT 1; SELECT f()",
                                 "WITH w AS (DELETE FROM t RETURNING 1) SELECT 1",
                                 "INSERT INTO t VALUES (1)",
                                 "COPY t FROM STDIN",
                                 "EXECUTE a",
                                 "FETCH c",
                                 "EXPLAIN ANALYZE EXECUTE a",
                                 "(SELECT f())",
                                 "SELECT 1 FROM generate_series(1, 2), v",
                                 "DECLARE c CURSOR FOR SELECT f()",
                                 "SELECT lower('x')",
                                 "SELECT 1 + 1",
                                 "SELECT $1::d",
                                 "SELECT CAST($1 AS d)",
                                 "SELECT d '1'",
                                 "SELECT s.d '1'",
                                 "SELECT \"d\" '1'",
                                 "SELECT -x",
                                 "SELECT (ROW(1)).f",
                                 "SELECT ($1).f",
                                 "SELECT ($1)[1].f",
                                 "SELECT 1 IN (2)",
                                 "SELECT 1 LIKE '2'",
                                 "SELECT CASE 1 WHEN 2 THEN 3 END",
                                 "SELECT 1 BETWEEN 2 AND 3",
                                 "SELECT NULLIF(1, 2)",
                                 "SELECT 1 IS DISTINCT FROM 2",
                                 "VALUES (1 OPERATOR(s.+) 2)",
                                 "SELECT 1 LIMIT 1::d",
                                 "SELECT 1 FROM t; SELECT 1",
                                 "SELECT 1 FROM t;",
                                 "DEALLOCATE\v"
                                 "a",
                                 "SELECT f\v"
                                 "(1)",
                                 "COMMIT; SELECT 1 + 1; COMMIT",
                                 "CREATE TABLE t ()",
                                 "\"x\"",
                                 "SELECT 1 INTO t",
                                 "PREPARE a AS SELECT 1; DO $$ $$"}) {
    CAPTURE(text);
    CHECK(unseen_by_words(text) >= Unseen::relation);
  }
}

TEST_CASE("what is decided is told by its facts") {
  auto by_facts = [](std::string_view text) {
    auto facts = sql::analyze(text);
    REQUIRE(facts);
    return unseen_by(*facts, text, 15);
  };
  CHECK(by_facts("SELECT pg_catalog.lower('x'), $1") == Unseen::none);
  for (const std::string_view text :
       {"SELECT lower('x')", "SELECT 1 + 1", "SELECT $1::d", "SELECT d '1'", "VALUES (1 + 1)",
        "PREPARE a AS SELECT 1 + 1", "PREPARE a (int) AS SELECT $1::d", "EXECUTE a(1 + 1)",
        "COPY (SELECT $1::d) TO STDOUT", "EXPLAIN ANALYZE SELECT 1 + 1",
        "DECLARE c CURSOR FOR SELECT d '1'"}) {
    CAPTURE(text);
    CHECK(by_facts(text) == Unseen::relation);
  }
  for (const std::string_view text : {"SET a = 'b'", "SET search_path = a, b", "BEGIN READ ONLY",
                                      "FETCH 1 FROM c", "EXECUTE a", "DEALLOCATE a", "SHOW a"}) {
    CAPTURE(text);
    CHECK(by_facts(text) == Unseen::none);
  }
  CHECK(by_facts("SELECT f()") == Unseen::code);
  CHECK(by_facts("SELECT s.lower('x')") == Unseen::code);
  CHECK(by_facts("DO 'x'") == Unseen::code);
  CHECK(by_facts("CALL p()") == Unseen::code);
  CHECK(by_facts("INSERT INTO t VALUES (nextval('s'))") == Unseen::trigger);
  CHECK(by_facts("SELECT * FROM v") == Unseen::relation);
  CHECK(by_facts("COMMIT") == Unseen::ends);
  CHECK(by_facts("PREPARE a AS SELECT f()") == Unseen::code);
}

TEST_CASE("a text that leaves the settings as they are") {
  CHECK(keeps_settings("SELECT 1"));
  for (const std::string text : {"SET a = b", "SELECT set_config('a', 'b', false)",
                                 "SELECT SET_CONFIG('a', 'b', false)", "SELECT 1; RESET ALL", "SELECT f()",
                                 "SELECT \"set_config\"('a', 'b', false)", "ROLLBACK", "SELECT 1 FROM v"}) {
    CAPTURE(text);
    CHECK_FALSE(keeps_settings(text));
  }
}
