// Shapes, and that statements of one shape have one set of facts.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "ringfence/sql/analyze.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/shape.h"
#include "same_shape.h"

using namespace ringfence::sql;

namespace {

std::string shape_of(std::string_view text) {
  std::string shape;
  REQUIRE(make_shape(text, shape));
  return shape;
}

bool same(std::string_view a, std::string_view b) { return shape_of(a) == shape_of(b); }

// Pieces that together make statements of every cacheable kind.
std::string random_statement(std::mt19937_64& random) {
  const auto pick = [&](std::initializer_list<const char*> choices) {
    return std::string(*(choices.begin() + random() % choices.size()));
  };
  const auto expression = [&](auto& self, int depth) -> std::string {
    const std::string leaf =
        pick({"1", "2.5", "'x'", "E'x'", "a", "t.b", "$1", "null", "true", "$$x$$", "-3", "now()", "u",
              "f(1, 'x')", "interval '1 day'", "'1'::int", "date '2020-01-01'"});
    if (depth == 0) return leaf;
    switch (random() % 8) {
      case 0:
        return self(self, depth - 1) + pick({" + ", " = ", " and ", " or ", " || ", " is distinct from "}) +
               self(self, depth - 1);
      case 1: return "(" + self(self, depth - 1) + ")";
      case 2: return "case when " + self(self, depth - 1) + " then " + self(self, depth - 1) + " end";
      case 3: return "(select " + self(self, depth - 1) + " from v)";
      case 4: return pick({"f", "pg_catalog.lower", "set_config", "s.g"}) + "(" + self(self, depth - 1) + ")";
      case 5: return self(self, depth - 1) + " in (1, 2, " + self(self, depth - 1) + ")";
      case 6: return "not " + self(self, depth - 1);
      default: return leaf;
    }
  };
  const auto e = [&] { return expression(expression, static_cast<int>(random() % 4)); };
  switch (random() % 7) {
    case 0:
      return "select " + e() + ", " + e() + " from t, u as x where " + e() +
             pick({"", " for update", " limit 5", " order by 1"});
    case 1:
      return "insert into t (a) values (" + e() + "), (" + e() + ")" +
             pick({"", " returning *", " on conflict do nothing"});
    case 2: return "update t set a = " + e() + pick({"", " where "});
    case 3: return "update t set a = " + e() + " where " + e();
    case 4: return "delete from t where " + e();
    case 5:
      return "with w as (" + pick({"select ", "delete from v returning "}) + e() + ") select " + e() +
             " from w";
    default: return pick({"explain ", "prepare p as ", "declare c cursor for ", ""}) + "select " + e();
  }
}

}  // namespace

TEST_CASE("constants of one class, blanks and comments do not change a shape") {
  CHECK(same("select 1", "select 27"));
  CHECK(same("select 'a' , 'b'", "/* x */ select 'it''s',\n'c' -- y"));
  CHECK(same("select 1.5", "select 2e10"));
  CHECK(same("select $$a$$", "select $tag$ b $tag$"));
}

TEST_CASE("everything else does") {
  CHECK_FALSE(same("select 1", "select 1.0"));
  CHECK_FALSE(same("select 1", "select '1'"));
  CHECK_FALSE(same("select 'a'", "select E'a'"));
  CHECK_FALSE(same("select 'a'", "select $$a$$"));
  CHECK_FALSE(same("select $1", "select $2"));
  CHECK_FALSE(same("select 1", "select -1"));
  CHECK_FALSE(same("select true", "select false"));
  CHECK_FALSE(same("select a", "select b"));
  CHECK_FALSE(same("select a", "select \"a\""));
  CHECK_FALSE(same("select a b", "select ab"));
  CHECK_FALSE(same("select 1", "select 1, 1"));
  CHECK_FALSE(same("select X'1'", "select B'1'"));
  CHECK_FALSE(same("select a+b", "select a +b c"));
}

TEST_CASE("a text with an open literal or comment has no shape") {
  std::string shape;
  for (std::string_view text : {"select 'a", "select \"a", "select $$a", "select 1 /* x"}) {
    CAPTURE(text);
    CHECK_FALSE(make_shape(text, shape));
  }
  CHECK_FALSE(make_shape(std::string(100'000, '+'), shape, 1'000));
}

TEST_CASE("statements of one shape have the same facts wherever these are cached by shape") {
  std::mt19937_64 random(20'261'122);
  size_t parsed = 0, cacheable = 0;
  for (int round = 0; round < 6'000; ++round) {
    const std::string one = random_statement(random);
    const std::string other = with_other_constants(one, random);
    CAPTURE(one);
    CAPTURE(other);
    REQUIRE(same(one, other));
    const auto facts = analyze(one);
    const auto facts_of_other = analyze(other);
    REQUIRE(facts.has_value() == facts_of_other.has_value());
    if (!facts) continue;
    ++parsed;
    if (!facts->is_shape_cacheable) continue;
    ++cacheable;
    REQUIRE(print(*facts) == print(*facts_of_other));
  }
  MESSAGE(parsed << " of 6000 statements parsed, " << cacheable << " are cached by shape");
  CHECK(parsed > 3'000);
  CHECK(cacheable > 2'000);
}
