// Explaining and enforcing are the same: every text of a corpus is sent through a session's conversation and
// explained, under policies of many kinds.
#include "ringfence/proxy/pg/explain.h"

#include <doctest/doctest.h>

#include "proxy/pg/conversation.h"
#include "ringfence/ring/workers.h"
#include "ringfence/sql/analyze.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using policy::Policy;
using policy::Text;

namespace {

std::vector<Text> texts(std::initializer_list<const char*> all) {
  std::vector<Text> out;
  for (const char* text : all) out.push_back({text, "test:1"});
  return out;
}

policy::Access access_of(std::vector<Policy> policies) {
  for (Policy& policy : policies) {
    if (policy.roles.empty()) policy.roles = texts({"dev"});
    policy.name = "p" + std::to_string(&policy - policies.data());
  }
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile(std::move(policies), problems);
  REQUIRE(set);
  return set->access({"dev"}, {});
}

std::vector<policy::Access> accesses() {
  std::vector<policy::Access> out;
  for (auto level : {sql::Level::read, sql::Level::write, sql::Level::ddl, sql::Level::admin}) {
    Policy policy;
    policy.level = level;
    out.push_back(access_of({policy}));
    policy.deny.push_back({.where = "test:2", .relations = texts({"hr.*"}), .message = "not yours"});
    policy.deny.push_back({.where = "test:3", .missing_where = true});
    out.push_back(access_of({policy}));
  }
  Policy listed;
  listed.level = sql::Level::write;
  listed.whitelist = texts({"^select .* from t$", "^insert into t ", "^prepare "});
  out.push_back(access_of({listed}));
  listed.whitelist = texts({});
  out.push_back(access_of({listed}));
  Policy within;
  within.level = sql::Level::write;
  within.allow.push_back(
      {.where = "test:4", .kinds = texts({"select", "insert"}), .relations = texts({"t"})});
  out.push_back(access_of({within}));
  Policy named;
  named.functions = texts({"app.*", "harmless"});
  named.kinds = texts({"notify", "call"});
  named.deny.push_back({.where = "test:5", .columns = texts({"t.secret"})});
  out.push_back(access_of({named}));
  out.push_back(access_of({named, within}));
  out.push_back({});  // None.
  return out;
}

std::vector<std::string> corpus() {
  std::vector<std::string> out = {
      "",
      ";",
      "-- nothing",
      "select 1",
      "select a from t",
      "select * from t",
      "select secret from t",
      "insert into t (a) values (1)",
      "update t set a = 1",
      "update t set a = 1 where b = 2",
      "delete from t where 1 = 1",
      "select hr.x from hr.people",
      "select app.f(1)",
      "select public.g(1)",
      "select harmless(1)",
      "select pg_sleep(1)",
      "select lo_create(0)",
      "select nextval('s')",
      "select pg_read_file('x')",
      "with d as (delete from t returning *) select * from d",
      "select * into x from t",
      "explain analyze delete from t",
      "explain delete from t",
      "copy t to stdout",
      "copy t from stdin",
      "copy t to program 'x'",
      "begin",
      "begin read write",
      "commit",
      "set datestyle = iso",
      "set role x",
      "set work_mem = '1GB'",
      "select set_config('role', 'x', false)",
      "prepare p as select a from t",
      "prepare p as delete from t",
      "execute p(1)",
      "declare c cursor for select a from t",
      "fetch c",
      "deallocate all",
      "do $$ begin end $$",
      "call app.p()",
      "notify a",
      "truncate t",
      "create table x (a int)",
      "drop table t",
      "alter system set work_mem = '1'",
      "vacuum t",
      "create role r password 'x'",
      "selec 1",
      "select 'open",
      "select /* open",
      "select \"\xff\"",
      "select '\xc3\xa9' from hr.people",
      "select (t).secret from t t",
      "select 1; select a from t",
      "select a from t; delete from t where a = 1",
      "begin; update t set a = 1 where a = 2; commit",
      "select a from t;;; -- x\n; selec",
      "create rule r as on insert to t do (select 1; select 2)",
      "select a from t where b @@@ 1",
      "lock table t",
      "select a from t for update",
      "listen a",
      "reset all",
      "show all",
      "values (1)",
      "table t",
      "merge into t using s on true when matched then delete",
      "merge into t using s on t.a = s.a when not matched then insert (a) values (1)",
      "insert into t (a) values (1) on conflict (a) do update set b = 2",
      "set statement_timeout = '0.4'",
      "set lock_timeout = '5s'",
      "select t.to_jsonb from t",
      "select t.a from t"};
  std::string large = "select a from t where a = 1";
  for (int i = 0; i < 2'000; ++i) large += " + 1";
  out.push_back(large);
  out.push_back(large + "; delete from hr.people");
  std::string many;
  for (size_t i = 0; i < explained_statements_max; ++i) many += "select " + std::to_string(i) + ";";
  out.push_back(many);
  // A pair of each.
  const size_t singles = 60;
  for (size_t i = 0; i < singles; ++i) out.push_back(out[i] + ";\n" + out[(i * 7 + 3) % singles]);
  out.push_back("select '" + std::string((1 << 20) - 11, 'x') + "'");
  out.push_back("select '" + std::string((1 << 20) - 10, 'x') + "'");
  return out;
}

// Whether a session forwards the text as a Query; else how it is refused.
struct Enforced {
  bool is_forwarded = false;
  std::string rule;
};
Enforced enforce(const policy::Access& access, JudgeSpace& judge_space, const std::string& text) {
  if (access.is_unrestricted()) return {true, ""};
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  auto judge = std::make_shared<StatementJudge>(access, policy::SessionFacts{}, judge_space);
  Conversation conversation{recorder, pools, counters, limits, std::make_unique<Gate>(judge, "nonce")};
  std::string bytes;
  pg::append_query(bytes, text);
  std::string sent;
  size_t at = 0;
  Advance advance = conversation.client().advance(bytes, at, {1'000, 1});
  while (advance == Advance::wait_analysis) {
    Result<sql::Facts> facts = fail(Fault::internal, "");
    ring::run_on_large_stack(sql::large_stack_bytes,
                             [&] { facts = sql::analyze(conversation.waiting().text_to_analyse()); });
    conversation.waiting().analysed(std::move(facts));
    advance = conversation.client().advance(bytes, at, {1'000, 1});
  }
  REQUIRE(advance == Advance::all);
  Enforced out;
  const std::string sent_on(conversation.client().to_server(bytes));
  const auto refused = space.events("postgres_query_blocked");
  for (const auto* event : refused) out.rule = (*event)[audit::Tag::rule];
  out.is_forwarded = refused.empty() && sent_on.size() == bytes.size();
  return out;
}

Explanation explained(const policy::Access& access, const std::string& text) {
  Result<Explanation> out = fail(Fault::internal, "");
  ring::run_on_large_stack(sql::large_stack_bytes, [&] { out = explain(access, {}, text); });
  REQUIRE(out);
  return std::move(*out);
}

}  // namespace

TEST_CASE(
    "what is explained as allowed is forwarded, and what is explained as refused is refused by that rule") {
  JudgeSpace judge_space{HashKey{1, 2}};
  size_t allowed = 0, refused = 0;
  for (const policy::Access& access : accesses()) {
    for (const std::string& text : corpus()) {
      CAPTURE(text.substr(0, 200));
      CAPTURE(access.policies.size());
      const Explanation explanation = explained(access, text);
      if (!access.is_granted()) {
        CHECK_FALSE(explanation.is_allowed);  // No session comes to be.
        continue;
      }
      const Enforced enforced = enforce(access, judge_space, text);
      CHECK(explanation.is_allowed == enforced.is_forwarded);
      CHECK(explanation.is_allowed == !explanation.refused);
      if (explanation.refused) CHECK(explanation.statements.at(*explanation.refused).rule == enforced.rule);
      ++(explanation.is_allowed ? allowed : refused);
      for (const ExplainedStatement& statement : explanation.statements) {
        bool finds_refusal = false;
        for (const policy::Finding& finding : statement.findings)
          finds_refusal = finds_refusal || finding.refuses;
        CHECK(finds_refusal == !statement.is_allowed);
      }
    }
  }
  CHECK(allowed > 200);
  CHECK(refused > 200);
}

TEST_CASE("a refusal's place is told in bytes and in characters of the whole text") {
  Policy policy;
  const std::string text = "select '\xc3\xa4\xc3\xb6';\n /* \xc3\xbc */ delete from t";
  const Explanation explanation = explained(access_of({policy}), text);
  REQUIRE(explanation.refused == 1);
  const ExplainedStatement& refused = explanation.statements[1];
  REQUIRE(refused.at);
  CHECK(text.substr(refused.at->byte, 6) == "delete");
  CHECK(refused.at->character == refused.at->byte + 1 - 3);
  CHECK(refused.sqlstate == "42501");
  REQUIRE(refused.facts);
  CHECK(refused.facts->kind == "delete");
}

TEST_CASE("every pattern and rule that bears on a statement is named") {
  Policy policy;
  policy.level = sql::Level::write;
  policy.whitelist = std::vector<Text>{{"^select", "f:1"}, {"from t", "f:2"}, {"never", "f:3"}};
  policy.deny.push_back({.where = "f:4", .relations = texts({"t"}), .message = "no"});
  policy.deny.push_back({.where = "f:5", .kinds = texts({"select"})});
  const Explanation explanation = explained(access_of({policy}), "select a from t");
  std::string all;
  for (const auto& finding : explanation.statements.at(0).findings)
    all += finding.rule + (finding.refuses ? "-" : "+") + " ";
  CHECK(all == "level write+ policy p0: deny f:4- policy p0: deny f:5- whitelist f:1+ whitelist f:2+ ");
}

TEST_CASE("a text of more statements than are explained is an error") {
  std::string many;
  for (size_t i = 0; i <= explained_statements_max; ++i) many += "select 1;";
  auto out = explain(access_of({Policy{}}), {}, many);
  REQUIRE_FALSE(out);
  CHECK(out.error().fault == Fault::limit);
}
