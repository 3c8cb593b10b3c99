// READ WRITE of a reader: what reaches the server, what the client is told, and what the trail has.
#include <doctest/doctest.h>

#include "access_fixture.h"
#include "messages.h"
#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

std::string sync_now() {
  std::string out;
  pg::append_sync(out);
  return out;
}
std::string warning() {
  std::string out;
  pg::append_notice_response(out, {.severity = "WARNING",
                                   .sqlstate = "01000",
                                   .message = "READ WRITE was replaced by READ ONLY",
                                   .detail = "Your access level here is read.",
                                   .hint = "Ask for a policy of level write on this target."});
  return out;
}

struct ReaderTalk {
  explicit ReaderTalk(policy::Policy policy) {
    policy.name = "test";
    policy.roles.push_back({"*", ""});
    std::vector<policy::Problem> problems;
    kept = policy::PolicySet::compile({policy}, problems);
    REQUIRE(kept);
    access = kept->access({"x"}, {});
    auto judge = std::make_shared<StatementJudge>(access, policy::SessionFacts{}, judges);
    conversation = std::make_unique<Conversation>(recorder, pools, counters, limits,
                                                  std::make_unique<Gate>(std::move(judge), "nonce"));
  }
  static policy::Policy level(policy::Level level) {
    policy::Policy policy;
    policy.level = level;
    return policy;
  }
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  JudgeSpace judges{HashKey{1, 2}};
  std::shared_ptr<const policy::PolicySet> kept;
  policy::Access access;
  std::unique_ptr<Conversation> conversation;

  std::string client(const std::string& bytes, size_t piece = 1'000'000) {
    std::string out;
    for (size_t begin = 0; begin < bytes.size(); begin += piece) {
      const std::string part = bytes.substr(begin, piece);
      size_t at = 0;
      REQUIRE(conversation->client().advance(part, at, {1'000, 1}) == Advance::all);
      out += conversation->client().to_server(part);
    }
    return out;
  }
  std::string server(const std::string& bytes, size_t piece = 1'000'000) {
    std::string out;
    for (size_t begin = 0; begin < bytes.size(); begin += piece) {
      const std::string part = bytes.substr(begin, piece);
      size_t at = 0;
      REQUIRE(conversation->server().advance(part, at, {2'000, 2}) == Advance::all);
      out += conversation->server().to_client(part);
    }
    return out;
  }
  // statement|what went on
  std::vector<std::string> starts() const {
    std::vector<std::string> out;
    for (const auto& record : space.records)
      if (record.kind == audit::RecordKind::start)
        out.push_back(record[Tag::statement] + "|" + record[Tag::metadata]);
    return out;
  }
};

}  // namespace

TEST_CASE("a reader's READ WRITE goes on as READ ONLY with a warning, and the record has both") {
  for (size_t piece : {1, 2, 3, 5, 7, 11, 1'000}) {
    CAPTURE(piece);
    ReaderTalk talk(ReaderTalk::level(policy::Level::read));
    CHECK(talk.client(query("BEGIN READ WRITE"), piece) == query("BEGIN READ ONLY "));
    CHECK(talk.server(complete("BEGIN") + ready('T'), piece) == complete("BEGIN") + warning() + ready('T'));
    CHECK(talk.client(query("SELECT 1")) == query("SELECT 1"));
    CHECK(talk.server(complete("SELECT 1") + ready('T')) == complete("SELECT 1") + ready('T'));
    CHECK(talk.starts() ==
          std::vector<std::string>{"BEGIN READ WRITE|{\"sent_on\":\"BEGIN READ ONLY \"}", "SELECT 1|"});
    CHECK(talk.space.events("postgres_query_blocked").empty());
  }
}

TEST_CASE("in a message of several statements only that statement changes") {
  ReaderTalk talk(ReaderTalk::level(policy::Level::read));
  const std::string sent =
      "/* WRITE */ SELECT 'READ WRITE' ; begin read write;SELECT 'x'; set transaction read write ; SELECT 2 "
      "-- READ WRITE";
  std::string instead = sent;
  instead.replace(instead.find("begin read write") + 11, 5, "ONLY ");
  instead.replace(instead.find("transaction read write") + 17, 5, "ONLY ");
  CHECK(talk.client(query(sent)) == query(instead));
  const std::string one = complete("SELECT 1");
  CHECK(talk.server(one + complete("BEGIN") + one + complete("SET") + one + ready('T')) ==
        one + complete("BEGIN") + warning() + one + complete("SET") + warning() + one + ready('T'));
  CHECK(talk.starts() ==
        std::vector<std::string>{
            "SELECT 'READ WRITE'|", "begin read write|{\"sent_on\":\"begin read ONLY \"}", "SELECT 'x'|",
            "set transaction read write|{\"sent_on\":\"set transaction read ONLY \"}", "SELECT 2|"});
  REQUIRE(talk.space.events("postgres_message").size() == 1);
  CHECK((*talk.space.events("postgres_message")[0])[Tag::statement] == sent);
}

TEST_CASE("a prepared READ WRITE is prepared as READ ONLY, and each run of it warns") {
  ReaderTalk talk(ReaderTalk::level(policy::Level::read));
  std::string again;
  pg::append_bind(again, "", "b");
  pg::append_execute(again, "");
  CHECK(talk.client(executed("BEGIN READ WRITE", "b") + sync_now() + executed("COMMIT") + sync_now() + again +
                    sync_now()) == executed("BEGIN READ ONLY ", "b") + sync_now() + executed("COMMIT") +
                                       sync_now() + again + sync_now());
  const std::string bound = message('2', "");
  CHECK(talk.server(message('1', "") + bound + complete("BEGIN") + ready('T')) ==
        message('1', "") + bound + complete("BEGIN") + warning() + ready('T'));
  CHECK(talk.server(message('1', "") + bound + complete("COMMIT") + ready('T')) ==
        message('1', "") + bound + complete("COMMIT") + ready('T'));
  CHECK(talk.server(bound + complete("BEGIN") + ready('T')) ==
        bound + complete("BEGIN") + warning() + ready('T'));
  CHECK(talk.starts() == std::vector<std::string>{"BEGIN READ WRITE|{\"sent_on\":\"BEGIN READ ONLY \"}",
                                                  "COMMIT|",
                                                  "BEGIN READ WRITE|{\"sent_on\":\"BEGIN READ ONLY \"}"});
}

TEST_CASE("one that fails warns of nothing, nor does what comes behind it") {
  ReaderTalk talk(ReaderTalk::level(policy::Level::read));
  talk.client(query("SELECT 1/0; SET TRANSACTION READ WRITE") + query("SELECT 2"));
  std::string error;
  pg::append_error_response(error, {.sqlstate = "22012", .message = "division by zero"});
  CHECK(talk.server(error + ready('T')) == error + ready('T'));
  CHECK(talk.server(complete("SELECT 1") + ready('T')) == complete("SELECT 1") + ready('T'));
}

TEST_CASE("beside what is refused nothing of the message goes on") {
  ReaderTalk talk(ReaderTalk::level(policy::Level::read));
  const std::string sent = talk.client(query("BEGIN READ WRITE; DELETE FROM t"));
  CHECK(sent.find("BEGIN") == sent.npos);
  CHECK(talk.space.events("postgres_query_blocked").size() == 1);
  CHECK(talk.client(query("SELECT 1")) == query("SELECT 1"));
}

TEST_CASE("a writer's READ WRITE stays, and a whitelist decides the text that goes on") {
  ReaderTalk writer(ReaderTalk::level(policy::Level::write));
  CHECK(writer.client(query("BEGIN READ WRITE")) == query("BEGIN READ WRITE"));
  policy::Policy listed;
  listed.whitelist = std::vector<policy::Text>{{"^begin read write$", "f:1"}, {"^select", "f:2"}};
  ReaderTalk refused(listed);
  CHECK(refused.client(query("BEGIN READ WRITE")).find("BEGIN") == std::string::npos);
  listed.whitelist = std::vector<policy::Text>{{"^begin read", "f:1"}};
  ReaderTalk passed(listed);
  CHECK(passed.client(query("BEGIN READ WRITE")) == query("BEGIN READ ONLY "));
  policy::Policy denied;
  denied.deny.push_back({.where = "f:1", .kinds = {{"begin", "f:1"}}});
  ReaderTalk by_kind(denied);
  CHECK(by_kind.client(query("BEGIN READ WRITE")).find("BEGIN") == std::string::npos);
}

TEST_CASE("what makes the session writable otherwise is refused as before") {
  for (const char* text :
       {"SET default_transaction_read_only = off", "SET transaction_read_only TO 'off'",
        "SELECT set_config('transaction_read_only', 'off', true)", "BEGIN READ WRITE, ISOLATION"}) {
    ReaderTalk talk(ReaderTalk::level(policy::Level::read));
    CAPTURE(text);
    CHECK(talk.client(query(text)) != query(text));
    CHECK(talk.space.events("postgres_query_blocked").size() == 1);
  }
}

TEST_CASE("other policies judge a prepared one by what the server has") {
  ReaderTalk talk(ReaderTalk::level(policy::Level::read));
  talk.client(executed("BEGIN READ WRITE", "b") + sync_now());
  talk.server(message('1', "") + message('2', "") + complete("BEGIN") + ready('T'));
  talk.conversation->use_judge(
      std::make_shared<StatementJudge>(talk.access, policy::SessionFacts{}, talk.judges), "nonce");
  std::string again;
  pg::append_bind(again, "", "b");
  pg::append_execute(again, "");
  CHECK(talk.client(again + sync_now()) == again + sync_now());
}

TEST_CASE("with a trail that is often full the record has both all the same") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    ReaderTalk talk(ReaderTalk::level(policy::Level::read));
    talk.space.random.seed(seed);
    talk.space.refuse_one_in = 2;
    const std::string sent = query("SELECT 1; BEGIN READ WRITE; SELECT 2");
    size_t at = 0;
    while (talk.conversation->client().advance(sent, at, {1'000, 1}) != Advance::all) {
    }
    CHECK(talk.conversation->client().to_server(sent) == query("SELECT 1; BEGIN READ ONLY ; SELECT 2"));
    CHECK(talk.starts() == std::vector<std::string>{"SELECT 1|",
                                                    "BEGIN READ WRITE|{\"sent_on\":\"BEGIN READ ONLY \"}",
                                                    "SELECT 2|"});
  }
}
