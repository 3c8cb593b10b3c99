// Patterns and name wildcards.
#include "ringfence/policy/patterns.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "policy/names.h"

using namespace ringfence::policy;

namespace {

bool matches(const std::string& pattern, std::string_view text) {
  std::shared_ptr<const Patterns> patterns;
  REQUIRE(Patterns::compile({pattern}, patterns).empty());
  Scratch scratch;
  std::vector<Match> matches;
  REQUIRE(patterns->scan(text, scratch, matches));
  return !matches.empty();
}

}  // namespace

namespace {
bool matches(std::string_view pattern, std::string_view schema, std::string_view name, Doubt doubt) {
  std::vector<NamePart> parts;
  CHECK(parse_name(pattern, 3, NameOf::relation, parts) == "");
  return matches_name(parts, schema, name, doubt);
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
  std::vector<Match> matches;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(one->scan("a c", scratch, matches));
    REQUIRE(matches.size() == 2);
    CHECK(matches[0].id + matches[1].id == 2);
    CHECK(matches[0].end + matches[1].end == 4);
    REQUIRE(other->scan("x", scratch, matches));
    REQUIRE(matches.size() == 1);
    CHECK(matches[0].id == 0);
  }
}

TEST_CASE("a match that a text's beginning decides is one whatever follows it") {
  const std::vector<std::string> texts = {
      "^a",         "a",         "b+",     "^(ab|ba)*", "a$",       "ab$",   "a\\Z",
      "b\\z",       "a\\b",      "\\Ba",   "b\\B",      "^[ab ]+a", "",      "^$",
      "a.b",        "a\nb",      "\\w+",   "\\w+\\b",   "é",        "é\\b",  "(*UTF8)(*UCP)a\\b",
      "(?m)^b",     "(?m)a$",    "b{2,3}", "[^a]a",     "a|b$",     " a\\b", "(a|b){3}",
      "^(?:a|b )+", "(?:ab$|b)", "(?i)B",  "[$]",       "^a{2}.",   "^[^-]-"};
  std::vector<std::string> held;
  std::shared_ptr<const Patterns> patterns;
  for (const std::string& text : texts) {
    if (Patterns::compile({text}, patterns).empty()) held.push_back(text);
  }
  REQUIRE(held.size() >= 24);
  REQUIRE(Patterns::compile(held, patterns).empty());
  Scratch scratch;
  std::vector<Match> matches, others;
  const std::string_view letters[] = {"a", "b", " ", "\n", "é", "a", "b", "-"};
  uint64_t state = 7;
  const auto pick = [&](uint64_t below) {
    return ((state = state * 6364136223846793005u + 1442695040888963407u) >> 33) % below;
  };
  size_t decided = 0, undecided = 0;
  for (int round = 0; round < 4'000; ++round) {
    std::string text;
    for (uint64_t n = pick(12); n > 0; --n) text += letters[pick(8)];
    REQUIRE(patterns->scan(text, scratch, matches));
    for (const Match& match : matches) {
      const auto within = patterns->decided_within(text, match);
      ++(within ? decided : undecided);
      if (!within) continue;
      size_t cut = *within;  // Not in the middle of a character: every text that is asked about is valid.
      while (cut < text.size() && (text[cut] & 0xC0) == 0x80) ++cut;
      for (int variant = 0; variant < 4; ++variant) {
        std::string other = text.substr(0, cut);
        for (uint64_t n = pick(4); n > 0; --n) other += letters[pick(8)];
        REQUIRE(patterns->scan(other, scratch, others));
        const bool is_there =
            std::any_of(others.begin(), others.end(), [&](const Match& one) { return one.id == match.id; });
        CHECK_MESSAGE(is_there, held[match.id], " in ", text, " and not in ", other);
      }
    }
  }
  CHECK(decided > 5'000);
  CHECK(undecided > 1'000);
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
  CHECK(matches("hr.pay", "hr", "pay", Doubt::no));
  CHECK(matches("hr.pay", "", "pay", Doubt::yes));
  CHECK_FALSE(matches("hr.pay", "", "pay", Doubt::no));
  CHECK_FALSE(matches("hr.pay", "public", "pay", Doubt::yes));
  CHECK(matches("pay", "hr", "pay", Doubt::no));
  CHECK(matches("*.pay", "", "pay", Doubt::no));
}

TEST_CASE("a name is folded as PostgreSQL folds it, and under a deny rule letters' case does not count") {
  CHECK(matches("Orders", "", "orders", Doubt::no));
  CHECK_FALSE(matches("Orders", "", "Orders", Doubt::no));
  CHECK(matches("\"Orders\"", "", "Orders", Doubt::no));
  CHECK_FALSE(matches("\"Orders\"", "", "orders", Doubt::no));
  CHECK(matches("Orders", "", "orders", Doubt::yes));
  CHECK(matches("Orders", "", "Orders", Doubt::yes));
  CHECK(matches("orders", "", "ORDERS", Doubt::yes));
  CHECK_FALSE(matches("\"Orders\"", "", "orders", Doubt::yes));
  CHECK(matches("HR.\"a.b\"", "hr", "a.b", Doubt::no));
  CHECK(matches("\"a\"\"b\"", "", "a\"b", Doubt::no));
  for (const auto& [capital, small] :
       {std::pair{"Ä", "ä"}, {"Ж", "ж"}, {"Ё", "ё"}, {"Ω", "ω"}, {"Ž", "ž"}, {"Ÿ", "ÿ"}, {"Ș", "ș"}}) {
    CAPTURE(capital);
    CHECK(matches(capital, "", small, Doubt::yes));
    CHECK(matches(small, "", capital, Doubt::yes));
    CHECK_FALSE(matches(small, "", capital, Doubt::no));
  }
}

TEST_CASE("what can be no name is told why") {
  const auto why = [](std::string_view text) {
    std::vector<NamePart> parts;
    return parse_name(text, 2, NameOf::relation, parts);
  };
  CHECK(why("hr.*").empty());
  CHECK(why("my-table").empty());
  CHECK(why("\"a b\".c").empty());
  for (const char* text :
       {"", ".", "a.", ".a", "a..b", "a.b.c", "f()", " a", "a b", "a;b", "\"a", "\"a\"b", "a\"b\"", "\"\""}) {
    CAPTURE(text);
    CHECK_FALSE(why(text).empty());
  }
  CHECK(why(std::string(63, 'x')).empty());
  CHECK_FALSE(why(std::string(64, 'x')).empty());
}
