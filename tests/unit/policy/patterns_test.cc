// Patterns and name wildcards.
#include "ringfence/policy/patterns.h"

#include <doctest/doctest.h>

#include "policy/names.h"

using namespace ringfence::policy;

namespace {

bool matches(const std::string& pattern, std::string_view text) {
  std::shared_ptr<const Patterns> patterns;
  REQUIRE(Patterns::compile({pattern}, patterns).empty());
  Scratch scratch;
  std::vector<bool> matched;
  REQUIRE(patterns->scan(text, scratch, matched));
  return matched[0];
}

}  // namespace

TEST_CASE("a pattern is searched for anywhere, without regard to case") {
  CHECK(matches("^select ", "SELECT 1"));
  CHECK(matches("users", "select * from Users"));
  CHECK_FALSE(matches("^select ", "delete"));
  CHECK(matches("", "anything"));
  CHECK(matches("^$", ""));
  CHECK_FALSE(matches("^$", "x"));
}

TEST_CASE("a dot does not match a newline, and $ is the end of the text alone") {
  CHECK_FALSE(matches("^select .*x$", "select\n x"));
  CHECK_FALSE(matches("^select a.b$", "select a\nb"));
  CHECK(matches("^select 1$", "select 1"));
  CHECK_FALSE(matches("^select 1$", "select 1\n"));
  CHECK_FALSE(matches("^select 1$", "select 1\ndrop table t"));
}

TEST_CASE("$ is rewritten only where it is the end of the text") {
  CHECK(to_hyperscan("a$") == "a\\z");
  CHECK(to_hyperscan("a\\$b") == "a\\$b");
  CHECK(to_hyperscan("[$]x$") == "[$]x\\z");
  CHECK(to_hyperscan("[]$]$") == "[]$]\\z");
  CHECK(to_hyperscan("[^]$]$") == "[^]$]\\z");
  CHECK(to_hyperscan("[\\]$]$") == "[\\]$]\\z");
  CHECK(to_hyperscan("(a$|b)") == "(a\\z|b)");
  CHECK(to_hyperscan("\\Qa$\\E$") == "\\Qa$\\E\\z");
}

TEST_CASE("every pattern that cannot be held is told with the reason") {
  std::shared_ptr<const Patterns> patterns;
  const auto problems = Patterns::compile({"fine", "(", "also fine", "(?!x)y", "(a)\\1"}, patterns);
  REQUIRE(problems.size() == 3);
  CHECK(problems[0].index == 1);
  CHECK(problems[1].index == 3);
  CHECK(problems[2].index == 4);
  for (const auto& problem : problems) CHECK_FALSE(problem.message.empty());
  CHECK(patterns == nullptr);
}

TEST_CASE("one scan tells of every pattern, and a scratch serves any number of databases") {
  std::shared_ptr<const Patterns> one, other;
  REQUIRE(Patterns::compile({"a", "b", "c"}, one).empty());
  REQUIRE(Patterns::compile({"x"}, other).empty());
  Scratch scratch;
  std::vector<bool> matched;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(one->scan("a c", scratch, matched));
    CHECK(matched == std::vector<bool>{true, false, true});
    REQUIRE(other->scan("x", scratch, matched));
    CHECK(matched == std::vector<bool>{true});
  }
}

TEST_CASE("wildcards match whole names") {
  CHECK(matches_wildcard("*", ""));
  CHECK(matches_wildcard("drop_*", "drop_table"));
  CHECK_FALSE(matches_wildcard("drop_*", "xdrop_table"));
  CHECK(matches_wildcard("a*b*c", "aXbYbc"));
  CHECK_FALSE(matches_wildcard("a*b*c", "aXbY"));
  CHECK_FALSE(matches_wildcard("a", "A"));
  CHECK(matches_wildcard("***a", "bca"));
}

TEST_CASE("a name without a schema counts as of any under a deny rule and of none under an allow rule") {
  CHECK(matches_name("hr.pay", "hr", "pay", Doubt::no));
  CHECK(matches_name("hr.pay", "", "pay", Doubt::yes));
  CHECK_FALSE(matches_name("hr.pay", "", "pay", Doubt::no));
  CHECK_FALSE(matches_name("hr.pay", "public", "pay", Doubt::yes));
  CHECK(matches_name("pay", "hr", "pay", Doubt::no));
  CHECK(matches_name("*.pay", "", "pay", Doubt::no));
}
