// What is remembered of statements, and that remembering changes no decision.
#include "proxy/pg/statement_judge.h"

#include <doctest/doctest.h>

#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::policy;
using namespace ringfence::proxy;

namespace {

Access access_under(Policy policy) {
  policy.name = "p";
  policy.roles = {{"dev", ""}};
  std::vector<Problem> problems;
  auto set = PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return set->access({"dev"}, {});
}

struct Judging {
  JudgeSpace space{HashKey{0x1234567890abcdefu, 2}};
  StatementJudge judge;
  explicit Judging(Policy policy) : judge(access_under(std::move(policy)), {}, space) {}
  bool allows(std::string_view text) {
    const Decision* decision = judge.judge(text);
    return decision != nullptr && decision->is_allowed;
  }
};

}  // namespace

TEST_CASE("statements of one shape are analysed once") {
  Judging world{Policy{}};
  CHECK(world.allows("select * from t where a = 1 and b = 'x'"));
  CHECK(world.allows("select * from t where a = 2 and b = 'y; delete from t'"));
  CHECK(world.judge.misses() == 1);
  CHECK(world.judge.hits() == 1);
  REQUIRE(world.judge.facts() != nullptr);
  CHECK(world.judge.facts()->relations[0].name == "t");
  CHECK_FALSE(world.allows("delete from t where a = 1"));
  CHECK_FALSE(world.allows("delete from t where a = 2"));
  CHECK(world.judge.misses() == 2);
}

TEST_CASE("where the constants decide, the exact text is what is remembered") {
  Judging world{Policy{}};
  for (int round = 0; round < 2; ++round) {
    CHECK(world.allows("explain (analyze 0) delete from t"));
    CHECK_FALSE(world.allows("explain (analyze 1) delete from t"));
    CHECK(world.allows("set transaction_read_only = 1"));
    CHECK_FALSE(world.allows("set transaction_read_only = 0"));
    CHECK(world.allows("select set_config('application_name', 'x', false)"));
    CHECK_FALSE(world.allows("select set_config('transaction_read_only', '0', false)"));
  }
  CHECK(world.judge.misses() == 6);
  CHECK(world.judge.hits() == 6);
}

TEST_CASE("the whitelist looks at each text, remembered or not") {
  Policy policy;
  policy.whitelist = {Text{"^select [0-9]+$", "file:1"}};
  Judging world{policy};
  CHECK(world.allows("select 1"));
  CHECK(world.allows("select 22"));
  CHECK_FALSE(world.allows("select 22 "));
  CHECK_FALSE(world.allows("select /* */ 1"));
  CHECK(world.judge.misses() == 1);
}

TEST_CASE("a beginning that a whitelist pattern has is enough, and what begins otherwise is looked at") {
  Policy policy;
  policy.whitelist = {Text{"^select a from t where b = [0-9]+$", "file:1"},
                      Text{"^select a from t wh", "file:2"}, Text{"^prepare p as select", "file:3"}};
  Judging world{policy};
  for (int round = 0; round < 3; ++round) {
    CHECK(world.allows("select a from t where b = 17"));
    CHECK(world.judge.allowed_by() == "whitelist file:2");
    CHECK(world.allows("select a from t where b = 18 "));
    CHECK(world.judge.allowed_by() == "whitelist file:2");
    // Of the same shape, but not of the same bytes.
    CHECK_FALSE(world.allows("select a  from t where b = 17"));
    CHECK_FALSE(world.allows("select a from t/**/ where b = 17"));
    CHECK(world.allows("select a from t where b = 99"));
    // Another shape with the same beginning.
    CHECK(world.allows("select a from t where c = 17"));
    // What it defines has to be listed too.
    CHECK_FALSE(world.allows("prepare p as select 1"));
  }
}

TEST_CASE("what only the whole text decides is not known by its beginning") {
  Policy policy;
  policy.whitelist = {Text{"^select a from t where b = [0-9]*[02468]$", "file:1"}};
  Judging world{policy};
  for (int round = 0; round < 3; ++round) {
    CHECK(world.allows("select a from t where b = 18"));
    CHECK_FALSE(world.allows("select a from t where b = 17"));
    CHECK_FALSE(world.allows("select a from t where b = 180001"));
  }
}

TEST_CASE("what cannot be analysed is refused and not remembered") {
  Judging world{Policy{}};
  CHECK_FALSE(world.allows("selec 1"));
  CHECK_FALSE(world.allows("select 'open"));
  CHECK_FALSE(world.allows("select '\xff'"));
  CHECK_FALSE(world.allows(""));
  CHECK(world.judge.entries() == 0);
  CHECK(world.judge.facts() == nullptr);
}

TEST_CASE("a large statement waits for a thread of its own") {
  Judging world{Policy{}};
  std::string text = "select 1";
  for (int i = 0; i < 2'000; ++i) text += " + 1";
  CHECK(world.judge.judge(text) == nullptr);
  CHECK(world.judge.judge_analysed(text, sql::analyze(text)).is_allowed);
  CHECK(world.allows(text));
}

TEST_CASE("what is remembered is bounded, and the oldest goes first") {
  Judging world{Policy{}};
  const auto text = [](size_t i) { return "select a" + std::to_string(i); };
  for (size_t i = 0; i < StatementJudge::entries_max + 10; ++i) {
    CHECK(world.allows(text(i)));
    CHECK(world.allows(text(0)));  // Keeps the first one young.
  }
  CHECK(world.judge.entries() == StatementJudge::entries_max);
  const uint64_t misses = world.judge.misses();
  CHECK(world.allows(text(0)));
  CHECK(world.judge.misses() == misses);
  CHECK(world.allows(text(1)));
  CHECK(world.judge.misses() == misses + 1);
}

TEST_CASE("a user without restrictions is asked nothing") {
  Policy policy;
  policy.level = Level::admin;
  Judging world{policy};
  CHECK(world.allows("not even SQL"));
  CHECK(world.judge.misses() == 0);
}

TEST_CASE("what is remembered is bounded by what it takes, not by the texts alone") {
  Judging world{Policy{}};
  for (int table = 0; table < 400; ++table) {
    std::string text = "select 1";
    for (int column = 0; column < 250; ++column) text += ",c" + std::to_string(column);
    CHECK(world.allows(text + " from t" + std::to_string(table)));
    CHECK(world.judge.kept_bytes() <= StatementJudge::kept_bytes_max);
  }
  CHECK(world.judge.entries() > 50);
  CHECK(world.judge.entries() < 400);
  const size_t kept = world.judge.kept_bytes();
  std::string text = "select 1";
  for (int column = 0; column < 5'000; ++column) text += ",c";
  CHECK(world.judge.judge_analysed(text, sql::analyze(text)).is_allowed);
  CHECK(world.judge.kept_bytes() == kept);
}
