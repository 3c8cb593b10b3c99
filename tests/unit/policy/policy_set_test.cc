// Which policies match whom, and what is wrong with policies.
#include "ringfence/policy/policy_set.h"

#include <doctest/doctest.h>

using namespace ringfence::policy;

namespace {

Policy policy_of(std::string name, std::vector<Text> roles, std::vector<Text> tags = {},
                 Level level = Level::read) {
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
  CHECK_FALSE(compiled({policy_of("p", {{"ops"}})})->access({"dev"}, {}).is_granted());
  CHECK(compiled({policy_of("p", {Text{"ops", ""}, Text{"dev", ""}})})->access({"dev"}, {}).is_granted());
  CHECK(compiled({policy_of("p", {{"*"}})})->access({}, {}).is_granted());
}

TEST_CASE("tags match all or any, and no tags match only targets without tags") {
  auto set = compiled({policy_of("p", {{"dev"}}, {Text{"a", ""}, Text{"b", ""}})});
  CHECK(set->access({"dev"}, {"a", "b", "c"}).is_granted());
  CHECK_FALSE(set->access({"dev"}, {"a"}).is_granted());
  CHECK_FALSE(set->access({"dev"}, {}).is_granted());
  Policy any = policy_of("p", {{"dev"}}, {Text{"a", ""}, Text{"b", ""}});
  any.matches_any_tag = true;
  CHECK(compiled({any})->access({"dev"}, {"b"}).is_granted());
  CHECK_FALSE(compiled({any})->access({"dev"}, {"c"}).is_granted());
  CHECK(compiled({policy_of("p", {{"dev"}})})->access({"dev"}, {}).is_granted());
  CHECK_FALSE(compiled({policy_of("p", {{"dev"}})})->access({"dev"}, {"a"}).is_granted());
  CHECK(compiled({policy_of("p", {{"dev"}}, {{"*"}})})->access({"dev"}, {"a"}).is_granted());
  CHECK(compiled({policy_of("p", {{"dev"}}, {{"*"}})})->access({"dev"}, {}).is_granted());
}

TEST_CASE("of several matching policies the highest level and all whitelists count") {
  Policy one = policy_of("one", {{"dev"}}), two = policy_of("two", {{"dev"}}, {}, Level::write),
         other = policy_of("other", {{"ops"}});
  one.whitelist = {Text{"^select", "file:2"}};
  other.whitelist = {Text{"^never", "file:3"}};
  two.whitelist = {Text{"^insert", "file:4"}};
  const Access access = compiled({one, other, two})->access({"dev"}, {});
  CHECK(access.level == Level::write);
  CHECK(access.whitelist == std::vector<PatternId>{0, 2});
  CHECK(access.has_whitelist);
  CHECK_FALSE(access.is_unrestricted());
  CHECK(compiled({policy_of("p", {{"dev"}}, {}, Level::admin)})->access({"dev"}, {}).is_unrestricted());
}

TEST_CASE("what is wrong is told with its place") {
  CHECK(first_problem({policy_of("p", {})}).find("no roles") != std::string::npos);
  CHECK(first_problem({policy_of("p", {{"a"}}), policy_of("p", {{"a"}})}).find("another policy p") !=
        std::string::npos);
  Policy bad = policy_of("p", {{"a"}});
  bad.whitelist = {Text{"^fine", "file:7"}, Text{"(?!WHERE)", "file:8"}};
  CHECK(first_problem({bad}).rfind("file:8: the pattern (?!WHERE) cannot be used: ", 0) == 0);
  bad.whitelist.reset();
  bad.deny.push_back({});
  CHECK(first_problem({bad}).find("no condition") != std::string::npos);
  bad.deny[0].relations = {Text{"a.b.c", "file:9"}};
  CHECK(first_problem({bad}).rfind("file:9: ", 0) == 0);
}

TEST_CASE("lint warns of patterns that match everything and of those that never can") {
  Policy p = policy_of("p", {{"a"}});
  p.whitelist = {Text{".*", "file:2"}, Text{"^select", "file:3"}, Text{"^ select", "file:4"},
                 Text{"", "file:5"}};
  const auto advice = compiled({p})->lint();
  REQUIRE(advice.size() == 3);
  CHECK(advice[0].where == "file:2");
  CHECK(advice[1].where == "file:4");
  CHECK(advice[2].where == "file:5");
}

TEST_CASE("a kind counts in any case, and one that no statement is of is an error with the likest one") {
  Policy p = policy_of("p", {{"a"}});
  p.deny.push_back({});
  p.deny[0].kinds = {Text{"DELETE", "file:2"}, Text{"Drop_*", "file:3"}};
  CHECK(compiled({p})->policies()[0].deny[0].kinds[0].text == "delete");
  for (const char* wrong : {"updat", "dropped_*", "drop table", "DELTE", "", "select,update"}) {
    CAPTURE(wrong);
    p.deny[0].kinds = {Text{wrong, "file:9"}};
    const std::string problem = first_problem({p});
    CHECK(problem.rfind("file:9: ", 0) == 0);
    CHECK(problem.find("select_into, set") != std::string::npos);
    CHECK((*wrong == 'u') == (problem.find("did you mean update?") != std::string::npos));
  }
  p.deny.clear();
  p.kinds = {Text{"notfy", "file:4"}};
  CHECK(first_problem({p}).find("did you mean notify?") != std::string::npos);
  p.kinds.clear();
  p.allow.push_back({});
  p.allow[0].kinds = {Text{"slect", "file:5"}};
  CHECK(first_problem({p}).find("did you mean select?") != std::string::npos);
}

TEST_CASE("a role or a tag is compared whole") {
  CHECK(first_problem({policy_of("p", {Text{"dev*", "file:2"}})}).rfind("file:2: ", 0) == 0);
  CHECK(first_problem({policy_of("p", {{"dev"}}, {Text{"prod-*", "file:3"}})}).rfind("file:3: ", 0) == 0);
  CHECK(first_problem({policy_of("p", {{""}})}).find("empty") != std::string::npos);
}

TEST_CASE("lint warns of names and rules that mean nothing") {
  const auto advice_of = [](const Policy& p) {
    std::string all;
    for (const Problem& problem : compiled({p})->lint()) all += problem.where + ": " + problem.message + "\n";
    return all;
  };
  const auto denying = [](auto&& change) {
    Policy p = policy_of("p", {{"a"}});
    p.deny.push_back({});
    change(p.deny[0]);
    return p;
  };
  CHECK(advice_of(denying([](Rule& rule) {
          rule.relations = {Text{"hr.Orders", "file:2"}};
        })).find("file:2: PostgreSQL folds") == 0);
  CHECK(advice_of(denying([](Rule& rule) { rule.relations = {Text{"hr.orders", "file:2"}}; })).empty());
  CHECK(advice_of(denying([](Rule& rule) { rule.relations = {Text{"hr.\"Orders\"", "file:2"}}; })).empty());
  CHECK(advice_of(denying([](Rule& rule) {
          rule.functions = {Text{"pg_catalog.pg_slep", "file:3"}};
        })).find("file:3: ") == 0);
  CHECK(advice_of(denying([](Rule& rule) {
          rule.functions = {Text{"pg_catalog.pg_sleep", "file:3"}};
        })).empty());
  CHECK(advice_of(denying([](Rule& rule) {
          rule.kinds = {{"truncate"}};
          rule.missing_where = true;
        })).find("never met") != std::string::npos);
  CHECK(advice_of(denying([](Rule& rule) {
          rule.kinds = {{"begin"}, {"set"}};
          rule.relations = {{"t"}};
        })).find("never met") != std::string::npos);
  CHECK(advice_of(denying([](Rule& rule) {
          rule.kinds = {{"select"}, {"set"}};
          rule.relations = {{"t"}};
        })).empty());
  Policy adding = policy_of("p", {{"a"}}, {}, Level::write);
  adding.kinds = {Text{"delete", "file:4"}, Text{"notify", "file:5"}, Text{"call", "file:6"}};
  const std::string added = advice_of(adding);
  CHECK(added.find("file:4: ") == 0);
  CHECK(added.find("file:5: ") != std::string::npos);
  CHECK(added.find("file:6: ") == std::string::npos);
  Policy allowing = policy_of("p", {{"a"}});
  allowing.allow.push_back({});
  allowing.allow[0].kinds = {Text{"select", "file:7"}, Text{"delete", "file:8"}};
  CHECK(advice_of(allowing).find("file:8: no policy has a level") == 0);
}
