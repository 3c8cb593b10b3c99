// Which policies match whom, and what is wrong with policies.
#include "ringfence/policy/policy_set.h"

#include <doctest/doctest.h>

using namespace ringfence::policy;

namespace {

Policy policy(std::string name, std::vector<Text> roles, std::vector<Text> tags = {}, Level level = Level::read) {
  Policy made;
  made.name = std::move(name);
  made.where = "file:1";
  made.roles = std::move(roles);
  made.tags = std::move(tags);
  made.level = level;
  return made;
}

std::shared_ptr<const PolicySet> compiled(std::vector<Policy> policies) {
  std::vector<Problem> problems;
  auto set = PolicySet::compile(std::move(policies), problems);
  for (const auto& problem : problems) MESSAGE(problem.message);
  REQUIRE(set);
  return set;
}

std::string first_problem(std::vector<Policy> policies) {
  std::vector<Problem> problems;
  CHECK(PolicySet::compile(std::move(policies), problems) == nullptr);
  REQUIRE_FALSE(problems.empty());
  return problems[0].where + ": " + problems[0].message;
}

}  // namespace

TEST_CASE("without a matching policy there is no access") {
  CHECK_FALSE(compiled({})->access({"dev"}, {}).is_granted());
  CHECK_FALSE(compiled({policy("p", {{"ops"}})})->access({"dev"}, {}).is_granted());
  CHECK(compiled({policy("p", {Text{"ops", ""}, Text{"dev", ""}})})->access({"dev"}, {}).is_granted());
  CHECK(compiled({policy("p", {{"*"}})})->access({}, {}).is_granted());
}

TEST_CASE("tags match all or any, and no tags match only targets without tags") {
  auto set = compiled({policy("p", {{"dev"}}, {Text{"a", ""}, Text{"b", ""}})});
  CHECK(set->access({"dev"}, {"a", "b", "c"}).is_granted());
  CHECK_FALSE(set->access({"dev"}, {"a"}).is_granted());
  CHECK_FALSE(set->access({"dev"}, {}).is_granted());
  Policy any = policy("p", {{"dev"}}, {Text{"a", ""}, Text{"b", ""}});
  any.matches_any_tag = true;
  CHECK(compiled({any})->access({"dev"}, {"b"}).is_granted());
  CHECK_FALSE(compiled({any})->access({"dev"}, {"c"}).is_granted());
  CHECK(compiled({policy("p", {{"dev"}})})->access({"dev"}, {}).is_granted());
  CHECK_FALSE(compiled({policy("p", {{"dev"}})})->access({"dev"}, {"a"}).is_granted());
  CHECK(compiled({policy("p", {{"dev"}}, {{"*"}})})->access({"dev"}, {"a"}).is_granted());
  CHECK(compiled({policy("p", {{"dev"}}, {{"*"}})})->access({"dev"}, {}).is_granted());
}

TEST_CASE("of several matching policies the highest level and all whitelists count") {
  Policy one = policy("one", {{"dev"}}), two = policy("two", {{"dev"}}, {}, Level::write), other = policy("other", {{"ops"}});
  one.whitelist = {Text{"^select", "file:2"}};
  other.whitelist = {Text{"^never", "file:3"}};
  two.whitelist = {Text{"^insert", "file:4"}};
  const Access access = compiled({one, other, two})->access({"dev"}, {});
  CHECK(access.level == Level::write);
  CHECK(access.whitelist == std::vector<PatternId>{0, 2});
  CHECK(access.has_whitelist);
  CHECK_FALSE(access.is_unrestricted());
  CHECK(compiled({policy("p", {{"dev"}}, {}, Level::admin)})->access({"dev"}, {}).is_unrestricted());
}

TEST_CASE("what is wrong is told with its place") {
  CHECK(first_problem({policy("p", {})}).find("no roles") != std::string::npos);
  CHECK(first_problem({policy("p", {{"a"}}), policy("p", {{"a"}})}).find("another policy p") != std::string::npos);
  Policy bad = policy("p", {{"a"}});
  bad.whitelist = {Text{"^fine", "file:7"}, Text{"(?!WHERE)", "file:8"}};
  CHECK(first_problem({bad}).rfind("file:8: the pattern (?!WHERE) cannot be used: ", 0) == 0);
  bad.whitelist.reset();
  bad.deny.push_back({});
  CHECK(first_problem({bad}).find("no condition") != std::string::npos);
  bad.deny[0].relations = {Text{"a.b.c", "file:9"}};
  CHECK(first_problem({bad}).rfind("file:9: ", 0) == 0);
}

TEST_CASE("lint warns of patterns that match everything and of those that never can") {
  Policy p = policy("p", {{"a"}});
  p.whitelist = {Text{".*", "file:2"}, Text{"^select", "file:3"}, Text{"^ select", "file:4"}, Text{"", "file:5"}};
  const auto advice = compiled({p})->lint();
  REQUIRE(advice.size() == 3);
  CHECK(advice[0].where == "file:2");
  CHECK(advice[1].where == "file:4");
  CHECK(advice[2].where == "file:5");
}
