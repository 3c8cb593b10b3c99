// The decision on a message as a value: what judge_message() says, without a session.
#include <doctest/doctest.h>

#include "proxy/pg/message_judge.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

policy::Access access_by(policy::Policy policy) {
  policy.name = "p";
  policy.roles = {{"dev", "f:1"}};
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({std::move(policy)}, problems);
  REQUIRE(set);
  return set->access({"dev"}, {});
}

// Two statements pass, each by a pattern of its own.
policy::Policy listing() {
  policy::Policy policy;
  policy.level = policy::Level::write;
  policy.whitelist = std::vector<policy::Text>{{"^select a", "f:2"}, {"^insert into t", "f:3"}};
  return policy;
}

policy::Policy holding_deletes() {
  policy::Policy policy;
  policy.level = policy::Level::write;
  policy::HoldRule deletes;
  deletes.where = "f:4";
  deletes.kinds = {{"delete", "f:4"}};
  deletes.timeout_ms = 9'000;
  policy::HoldRule updates = deletes;
  updates.where = "f:5";
  updates.kinds = {{"update", "f:5"}};
  updates.timeout_ms = 5'000;
  policy.hold = {deletes, updates};
  return policy;
}

struct Asked {
  explicit Asked(const policy::Policy& policy, policy::SessionFacts session = {})
      : check(std::make_shared<StatementJudge>(access_by(policy), session, space)) {}
  const Judgement& judge(std::string_view text) {
    judge_message(check, names, circumstances, text, out);
    return out;
  }
  JudgeSpace space{HashKey{1, 2}};
  StatementCheck check;
  NoNames names;
  Circumstances circumstances;
  Judgement out;
};

std::string rules_of(const Judgement& judgement) {
  std::string out;
  for (const Judgement::Statement& statement : judgement.statements) out += std::string(statement.rule) + "|";
  return out;
}

}  // namespace

TEST_CASE("a judgement tells for each statement where it stands and by which rule it passes") {
  Asked asked(listing());
  const std::string text = "/* x */ select a from t; insert into t (a) values (1) ;";
  const Judgement& out = asked.judge(text);
  CHECK(out.verdict == Verdict::pass);
  REQUIRE(out.statements.size() == 2);
  CHECK(out.statements[0].extent.of(text) == "select a from t");
  CHECK(out.statements[1].extent.of(text) == "insert into t (a) values (1)");
  CHECK(out.rule_of(0).find("f:2") != std::string_view::npos);
  CHECK(out.rule_of(1).find("f:3") != std::string_view::npos);
  CHECK(out.rule_of(2).empty());
  CHECK(out.verdict != Verdict::refused);
  CHECK(out.hold() == nullptr);
}

TEST_CASE("the rules of one session's message stay as they are while another one's is judged") {
  JudgeSpace space{HashKey{1, 2}};
  StatementCheck first(std::make_shared<StatementJudge>(access_by(listing()), policy::SessionFacts{}, space));
  StatementCheck second(
      std::make_shared<StatementJudge>(access_by(holding_deletes()), policy::SessionFacts{}, space));
  NoNames names;
  Judgement one, other;
  judge_message(first, names, {}, "select a from t; insert into t (a) values (1)", one);
  const std::string before = rules_of(one);
  judge_message(second, names, {}, "select 1; select 2; select 3", other);
  CHECK(rules_of(one) == before);
  CHECK(rules_of(other) == "level write|level write|level write|");
}

TEST_CASE("the first statement that is refused decides; those behind it are listed and not judged") {
  Asked asked(listing());
  const std::string text = "select a from t; drop table t; select a from u";
  const Judgement& out = asked.judge(text);
  CHECK(out.verdict == Verdict::refused);
  REQUIRE(out.statements.size() == 3);
  CHECK(out.begin == text.find("drop"));
  REQUIRE(out.verdict == Verdict::refused);
  CHECK(out.refusal().rule == "level write");
  CHECK(out.refusal().at == 0);
  CHECK_FALSE(out.rule_of(0).empty());
  CHECK(out.rule_of(2).empty());
}

TEST_CASE("a message is held by all rules that hold its statements, for the shortest time of theirs") {
  Asked asked(holding_deletes());
  const std::string text = "select 1; delete from t where a = 1; update t set a = 1 where b = 2";
  const Judgement& out = asked.judge(text);
  CHECK(out.verdict == Verdict::pass);
  REQUIRE(out.hold() != nullptr);
  CHECK(out.hold()->ms == 5'000);
  CHECK(out.hold()->rule == "policy p: hold f:4, policy p: hold f:5");
  CHECK(out.begin == text.find("delete"));
  CHECK(asked.judge("select 1").hold() == nullptr);
}

TEST_CASE("a text that is too much for a shard is told of, and decided when it is analysed") {
  Asked asked(listing());
  std::string large = "select a from t where a = 1";
  for (int i = 0; i < 4'000; ++i) large += " + 1";
  const std::string text = "select a from t; " + large;
  const Judgement& out = asked.judge(text);
  REQUIRE(out.verdict == Verdict::unknown);
  REQUIRE(out.verdict == Verdict::unknown);
  CHECK(out.unanalysed() == large);
  CHECK(out.begin == text.find(large));
  sql::Facts facts;
  facts.kind = "select";
  asked.check.analysed(large, std::move(facts));
  CHECK(asked.judge(text).verdict == Verdict::pass);
  asked.check.forget();
  CHECK(asked.judge(text).verdict == Verdict::unknown);
}

TEST_CASE("a message of too many statements, or too long, is refused unread") {
  Asked asked(listing());
  std::string many;
  for (size_t i = 0; i <= statements_per_query_max; ++i) many += "select a;";
  CHECK(asked.judge(many).refusal().rule == "sql_statements_max");
  CHECK(asked.out.has_too_many);
  CHECK(asked.out.statements.empty());
  CHECK(asked.judge(std::string(gated_bytes_max, 'x')).refusal().rule == "sql_bytes_max");
  CHECK_FALSE(asked.out.has_too_many);
}

TEST_CASE("what stood before in the session's group bears on the decision") {
  policy::Policy policy;
  policy.functions = {{"app.*", "f:6"}};
  Asked asked(policy);
  CHECK(asked.judge("select app.f()").verdict == Verdict::pass);
  asked.circumstances.guard.note({.ends_transaction = true});
  CHECK(asked.judge("select app.f()").verdict == Verdict::refused);
  CHECK(asked.judge("select 1").verdict == Verdict::pass);
  asked.circumstances = {.is_read_as_utf8 = false};
  CHECK(asked.judge("select '\xc3\xa4'").refusal().rule == "analysis");
}

TEST_CASE("READ WRITE at level read passes as READ ONLY, unless the text cannot be cut for certain") {
  Asked asked(policy::Policy{});
  const std::string text = "begin read write; select 1";
  const Judgement& out = asked.judge(text);
  CHECK(out.verdict == Verdict::pass);
  CHECK(out.instead_of(0).size() == out.statements[0].extent.of(text).size());
  CHECK(out.instead_of(0) != "begin read write");
  CHECK(out.instead_of(1).empty());
  asked.circumstances.is_text_doubtful = true;
  CHECK(asked.judge(text).verdict == Verdict::refused);
}

TEST_CASE("a judgement that is used again says nothing of the message before") {
  Asked asked(holding_deletes());
  CHECK(asked.judge("prepare x as select 1; delete from t where a = 1; commit").hold() != nullptr);
  CHECK(asked.judge("drop table t").verdict == Verdict::refused);
  const Judgement& out = asked.judge("select 1");
  CHECK(out.verdict == Verdict::pass);
  CHECK(out.statements.size() == 1);
  CHECK(out.verdict != Verdict::refused);
  CHECK(out.hold() == nullptr);
  CHECK_FALSE(out.changes_names);
  CHECK_FALSE(out.traits.ends_transaction);
}
