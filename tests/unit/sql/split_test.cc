#include <doctest/doctest.h>

#include <string>

#include "ringfence/sql/split.h"

using namespace ringfence::sql;

namespace {

// The statements of a text in brackets.
std::string split(std::string_view text) {
  std::string out;
  split_statements(text, [&](Extent extent) { (out += "[").append(extent.of(text)) += "]"; });
  return out;
}

}  // namespace

TEST_CASE("one statement is found with or without its semicolon, blanks and comments") {
  CHECK(split("select 1") == "[select 1]");
  CHECK(split("  select 1 ;\n ") == "[select 1]");
  CHECK(split("-- hello\nselect 1 /* there */ ; -- end") == "[select 1]");
  CHECK(split("/* a */ select 1 -- x;") == "[select 1]");
  CHECK(split("select ';'") == "[select ';']");
}

TEST_CASE("nothing but blanks, comments and semicolons is no statement") {
  for (std::string_view text : {"", " ", ";", ";;", " ; ", "-- x", "/* ; */", "-- ;\n;", "\n\t"}) {
    CAPTURE(text);
    CHECK(split(text) == "");
  }
}

TEST_CASE("statements are separated by semicolons outside literals, comments and parentheses") {
  CHECK(split("SELECT 1; DROP TABLE t") == "[SELECT 1][DROP TABLE t]");
  CHECK(split(";select '--'; delete from t;;") == "[select '--'][delete from t]");
  CHECK(split("select 'a;b'; select $$;$$; select \"a;\"; select E'\\';'") ==
        "[select 'a;b'][select $$;$$][select \"a;\"][select E'\\';']");
  CHECK(split("create rule r as on insert to t do (select 1; select 2); select 3") ==
        "[create rule r as on insert to t do (select 1; select 2)][select 3]");
}

TEST_CASE("the body of a SQL-standard routine belongs to its statement") {
  CHECK(split("create or replace function f() returns int begin atomic select case when true then 1 end; "
              "select 2; end; select 3") ==
        "[create or replace function f() returns int begin atomic select case when true then 1 end; "
        "select 2; end][select 3]");
  CHECK(split("CREATE PROCEDURE p() BEGIN ATOMIC END; SELECT 1") ==
        "[CREATE PROCEDURE p() BEGIN ATOMIC END][SELECT 1]");
}

TEST_CASE("names that look like body keywords hide no statement") {
  // `case` and `end` as labels of columns neither open nor close a body.
  CHECK(split("create function f() returns int begin atomic select 1 as case; end; drop table t") ==
        "[create function f() returns int begin atomic select 1 as case; end][drop table t]");
  CHECK(split("create function f() returns int begin atomic select 1 case; end; drop table t") ==
        "[create function f() returns int begin atomic select 1 case; end][drop table t]");
  CHECK(split("create function f() returns int begin atomic select 1 as end; select 2; end; drop table t") ==
        "[create function f() returns int begin atomic select 1 as end; select 2; end][drop table t]");
  // `begin atomic` outside a routine's definition, or in its parameter list, is no body.
  CHECK(split("select begin atomic from t; drop table t") == "[select begin atomic from t][drop table t]");
  CHECK(split("create function f(begin atomic) as 'x' language sql; drop table t") ==
        "[create function f(begin atomic) as 'x' language sql][drop table t]");
  CHECK(split("create function f() returns int begin atomic select begin atomic from t; end; drop table t") ==
        "[create function f() returns int begin atomic select begin atomic from t; end][drop table t]");
  CHECK(split("begin; end; select 1") == "[begin][end][select 1]");
}
