#include "ringfence/sql/command_tag.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace ringfence::sql;

namespace {
bool allows(std::string_view text, std::string_view tag) { return allows_tag(expected_tag(text), tag); }
}  // namespace

TEST_CASE("a statement is answered with its own tag, whatever stands before its first word") {
  for (const char* text : {"SELECT 1", " select 1", "\n\t;;SELECT 1", "-- no\nSELECT 1",
                           "/* a /* b */ c */select(1)", "VALUES (1)", "TABLE t", "(SELECT 1) UNION SELECT 2",
                           "((values (1)))", "SELECT 1 INTO t", "/*'*/ SELECT '; DELETE FROM t'"}) {
    CAPTURE(text);
    CHECK(allows(text, "SELECT 1"));
    CHECK(allows(text, "SELECT 0"));
    CHECK_FALSE(allows(text, "DELETE 1"));
    CHECK_FALSE(allows(text, "CREATE TABLE"));
    CHECK_FALSE(allows(text, "INSERT 0 1"));
    CHECK_FALSE(allows(text, ""));
    CHECK_FALSE(allows_empty_answer(expected_tag(text)));
    CHECK(allows_suspension(expected_tag(text)));
  }
  CHECK(allows("INSERT INTO t VALUES (1)", "INSERT 0 1"));
  CHECK(allows("insert into t values (1)", "INSERT 0 0"));
  CHECK_FALSE(allows("INSERT INTO t VALUES (1)", "UPDATE 1"));
  CHECK(allows("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "SELECT 3"));
  CHECK(allows("WITH x AS (SELECT 1) DELETE FROM t", "DELETE 3"));
  CHECK_FALSE(allows("WITH x AS (SELECT 1) DELETE FROM t", "DROP TABLE"));
}

TEST_CASE("what answers with another word than its own") {
  const std::pair<std::string, std::string> pairs[] = {
      {"COMMIT", "COMMIT"},
      {"COMMIT", "ROLLBACK"},
      {"END", "COMMIT"},
      {"END", "ROLLBACK"},
      {"ABORT", "ROLLBACK"},
      {"ROLLBACK TO s", "ROLLBACK"},
      {"COMMIT PREPARED 'x'", "COMMIT PREPARED"},
      {"BEGIN", "BEGIN"},
      {"START TRANSACTION READ ONLY", "START TRANSACTION"},
      {"PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"},
      {"PREPARE TRANSACTION 'x'", "ROLLBACK"},
      {"PREPARE p AS SELECT 1", "PREPARE"},
      {"CREATE TABLE t AS SELECT 1", "SELECT 1"},
      {"CREATE TABLE IF NOT EXISTS t AS SELECT 1", "CREATE TABLE AS"},
      {"CREATE TABLE t (a int)", "CREATE TABLE"},
      {"CREATE TEMP TABLE t (a int)", "CREATE TABLE"},
      {"CREATE UNLOGGED TABLE t AS EXECUTE p", "SELECT 5"},
      {"CREATE MATERIALIZED VIEW v AS SELECT 1", "SELECT 1"},
      {"CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA", "CREATE MATERIALIZED VIEW"},
      {"CREATE OR REPLACE TEMP RECURSIVE VIEW v(a) AS SELECT 1", "CREATE VIEW"},
      {"CREATE USER u", "CREATE ROLE"},
      {"CREATE USER MAPPING FOR u SERVER s", "CREATE USER MAPPING"},
      {"DROP USER u", "DROP ROLE"},
      {"CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"},
      {"CREATE CONSTRAINT TRIGGER t AFTER INSERT ON x", "CREATE TRIGGER"},
      {"CREATE DEFAULT CONVERSION c FOR 'a' TO 'b' FROM f", "CREATE CONVERSION"},
      {"CREATE TRUSTED PROCEDURAL LANGUAGE l", "CREATE LANGUAGE"},
      {"ALTER TABLE v RENAME TO w", "ALTER TABLE"},
      {"ALTER INDEX i RENAME TO j", "ALTER INDEX"},
      {"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO u", "ALTER DEFAULT PRIVILEGES"},
      {"ALTER USER u PASSWORD 'x'", "ALTER ROLE"},
      {"TRUNCATE t", "TRUNCATE TABLE"},
      {"LOCK t", "LOCK TABLE"},
      {"GRANT a TO b", "GRANT ROLE"},
      {"REVOKE SELECT ON t FROM u", "REVOKE"},
      {"DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR"},
      {"CLOSE ALL", "CLOSE CURSOR ALL"},
      {"CLOSE c", "CLOSE CURSOR"},
      {"FETCH ALL FROM c", "FETCH 4"},
      {"MOVE c", "MOVE 1"},
      {"DISCARD ALL", "DISCARD ALL"},
      {"DEALLOCATE ALL", "DEALLOCATE ALL"},
      {"SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS"},
      {"SET a = 1", "SET"},
      {"RESET ALL", "RESET"},
      {"COPY t FROM STDIN", "COPY 3"},
      {"ANALYSE t", "ANALYZE"},
      {"VACUUM ANALYZE", "VACUUM"},
      {"EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN"},
      {"CALL p()", "CALL"},
      {"DO $$ $$", "DO"},
      {"REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW"},
      {"SECURITY LABEL ON TABLE t IS 'x'", "SECURITY LABEL"},
      {"EXECUTE p", "DELETE 3"},
      {"EXECUTE p", "SELECT 1"},
      {"MERGE INTO t USING s ON true", "MERGE 3"},
      {"CREATE CHANGEFEED FOR t", "CREATE CHANGEFEED"},
      {"UNLOAD ('x')", "UNLOAD"},
      {"START_REPLICATION SLOT x", "START_STREAMING"}};
  for (const auto& [text, tag] : pairs) {
    CAPTURE(text);
    CAPTURE(tag);
    CHECK(allows(text, tag));
  }
}

TEST_CASE("another statement's tag is no answer") {
  const std::pair<std::string, std::string> pairs[] = {{"SELECT 3", "CREATE TABLE"},
                                                       {"SELECT 3", "SET"},
                                                       {"CREATE TABLE t (a int)", "CREATE TABLESPACE"},
                                                       {"CREATE TABLE t (a int)", "CREATE FUNCTION"},
                                                       {"CREATE VIEW v AS SELECT 1", "SELECT 1"},
                                                       {"DROP TABLE t", "DROP DATABASE"},
                                                       {"DROP TABLE t", "DELETE 1"},
                                                       {"BEGIN", "COMMIT"},
                                                       {"COMMIT", "BEGIN"},
                                                       {"ROLLBACK", "COMMIT"},
                                                       {"SET a = 1", "SELECT 1"},
                                                       {"SHOW a", "SELECT 1"},
                                                       {"ALTER TABLE t ADD b int", "ALTER SYSTEM"},
                                                       {"EXPLAIN SELECT 1", "SELECT 1"},
                                                       {"DECLARE c CURSOR FOR SELECT 1", "SELECT 1"},
                                                       {"", "SELECT 1"},
                                                       {"-- SELECT 1", "SELECT 1"},
                                                       {" ; /* x */ ; ", "DELETE 1"},
                                                       {"PREPARE p AS DELETE FROM t", "DELETE 1"},
                                                       {"SELECT 1", "EVIL 1"},
                                                       {"CALL p()", "DO"}};
  for (const auto& [text, tag] : pairs) {
    CAPTURE(text);
    CAPTURE(tag);
    CHECK_FALSE(allows(text, tag));
  }
}

TEST_CASE("no statement is answered with EmptyQueryResponse, and only no statement") {
  for (const char* text : {"", " ", ";", " ;; ", "-- SELECT 1", "/* SELECT 1 */ ;"}) {
    CAPTURE(text);
    CHECK(expected_tag(text) == no_tag);
    CHECK(allows_empty_answer(expected_tag(text)));
    CHECK_FALSE(allows_suspension(expected_tag(text)));
  }
}

TEST_CASE("only what returns rows may be suspended") {
  for (const char* text :
       {"SELECT 1", "INSERT INTO t VALUES (1) RETURNING *", "EXPLAIN SELECT 1", "SHOW a", "FETCH 2 FROM c",
        "EXECUTE p", "CALL p(1)", "WITH x AS (SELECT 1) TABLE x", "unheard of"}) {
    CAPTURE(text);
    CHECK(allows_suspension(expected_tag(text)));
  }
  for (const char* text :
       {"SET a = 1", "BEGIN", "DROP TABLE t", "ALTER SYSTEM SET a = 1", "COPY t TO STDOUT", "DO $$ $$"}) {
    CAPTURE(text);
    CHECK_FALSE(allows_suspension(expected_tag(text)));
  }
}

TEST_CASE("of the beginning of a longer text only whole words count") {
  CHECK(expected_tag("-- a comment that goes on", false) == any_tag);
  CHECK(expected_tag("SELECT", false) == any_tag);
  CHECK(expected_tag("SEL", false) == any_tag);
  CHECK(leading_words(expected_tag("SELECT ", false)) == "SELECT");
  CHECK(leading_words(expected_tag("CREATE TABLE", false)) == "CREATE");
  CHECK(leading_words(expected_tag("CREATE TABLE ", false)) == "CREATE TABLE");
}

TEST_CASE("both sides are told in words") {
  CHECK(describe_expected(expected_tag("CREATE TABLE t ()")) ==
        "CREATE TABLE, CREATE TABLE AS, SELECT, SELECT FOR KEY SHARE, SELECT FOR NO KEY UPDATE, SELECT FOR "
        "SHARE, "
        "SELECT FOR UPDATE, SELECT INTO");
  CHECK(describe_expected(expected_tag("begin")) == "BEGIN");
  CHECK(describe_expected(expected_tag("execute p")) == "any");
  CHECK(describe_expected(expected_tag("")) == "none");
  CHECK(leading_words(expected_tag("drop  table t")) == "DROP TABLE");
}
