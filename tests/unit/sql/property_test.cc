// Properties over many thousand statements: made by a grammar of ours, and collected from sqlsmith.
#include <doctest/doctest.h>

#include <fstream>
#include <random>
#include <vector>

#include "on_stack.h"
#include "ringfence/sql/analyze.h"
#include "ringfence/sql/shape.h"
#include "ringfence/sql/split.h"
#include "same_shape.h"
#include "statement_grammar.h"

using namespace ringfence::sql;

namespace {

struct Seen {
  size_t looked_at = 0;  // Those that a shard would analyse itself.
  size_t parsed = 0;
  size_t cacheable = 0;
};

void check(const std::string& one, std::mt19937_64& random, Seen& seen) {
  const std::string other = with_other_constants(one, random);
  CAPTURE(one);
  CAPTURE(other);
  std::string shape, shape_of_other;
  if (effort(one) != Effort::small || !make_shape(one, shape)) return;
  ++seen.looked_at;
  REQUIRE(make_shape(other, shape_of_other));
  REQUIRE(shape == shape_of_other);
  const auto facts = analyze(one);
  const auto facts_of_other = analyze(other);
  if (!facts) {
    // Where the shape does not decide, another constant may be an error: a date, a type's length.
    if (facts_of_other) REQUIRE_FALSE(facts_of_other->is_shape_cacheable);
    return;
  }
  ++seen.parsed;
  if (!facts->is_shape_cacheable) return;
  ++seen.cacheable;
  REQUIRE(facts_of_other.has_value());
  REQUIRE(print(*facts) == print(*facts_of_other));
}

}  // namespace

TEST_CASE("statements of one shape have the same facts: statements by a grammar") {
  std::mt19937_64 random(20'261'122);
  StatementGrammar grammar([&](size_t n) { return random() % n; });
  Seen seen;
  constexpr size_t rounds = 12'000;
  for (size_t i = 0; i < rounds; ++i) check(grammar.statement(), random, seen);
  MESSAGE(seen.parsed << " of " << rounds << " statements parsed, " << seen.cacheable
                      << " are cached by shape");
  CHECK(seen.parsed > rounds / 2);
  CHECK(seen.cacheable > rounds / 4);
}

TEST_CASE("statements of one shape have the same facts: statements by sqlsmith") {
  std::ifstream file(SQLSMITH_CORPUS);
  REQUIRE(file);
  std::mt19937_64 random(7);
  Seen seen;
  size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) check(line, random, seen);
  MESSAGE(count << " statements, " << seen.parsed << " of " << seen.looked_at << " statements parsed, "
                << seen.cacheable << " are cached by shape");
  CHECK(count > 500);
  CHECK(seen.looked_at > 250);
  CHECK(seen.parsed > seen.looked_at * 9 / 10);
  CHECK(seen.cacheable > seen.looked_at / 2);
}

TEST_CASE("a million terms of any left-recursive rule are cut, shaped and refused on the smallest stack") {
  const char* const pieces[] = {"+1",
                                "::int",
                                "not ",
                                "- ",
                                " union select 1",
                                " and true",
                                ".b",
                                "[1]",
                                "||'b'",
                                " join t on true",
                                ",1",
                                "(",
                                " is null",
                                " collate \"C\"",
                                "case when true then ",
                                "array[",
                                "f(",
                                "(select * from ",
                                "a ",
                                "1 ",
                                " union all ",
                                " order by 1",
                                " in (1)",
                                "from t, ",
                                " over ()",
                                ".*"};
  on_stack(size_t{128} << 10, [&] {
    for (const char* piece : pieces) {
      std::string text = "select * from t where a ";
      for (int i = 0; i < 1'000'000; ++i) text += piece;
      std::string shape;
      make_shape(text, shape);
      REQUIRE(effort(text) == Effort::refused);
      REQUIRE_FALSE(analyze(text));
      size_t statements = 0;
      split_statements(text, [&](Extent) { ++statements; });
      REQUIRE(statements == 1);
    }
  });
}
