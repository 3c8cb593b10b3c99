// What a client hears of its name in a pooled connection, whose RESET brings back a name that is nobody's.
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

std::string called(std::string_view name) {
  std::string out;
  pg::append_parameter_status(out, "application_name", name);
  return out;
}
const std::string zone = [] {
  std::string out;
  pg::append_parameter_status(out, "TimeZone", "UTC");
  return out;
}();
const std::string own = "ringfence/ada: psql";

struct NamedTalk {
  explicit NamedTalk(policy::Level level) {
    kept = policies_for("*", level);
    auto judge = std::make_shared<StatementJudge>(kept->access({"x"}, {}), policy::SessionFacts{}, judges);
    std::unique_ptr<Gate> gate;
    if (level != policy::Level::admin) gate = std::make_unique<Gate>(std::move(judge), "nonce");
    recorder.identify({.user = "ada", .application_name = "psql"});
    recorder.call(own, "psql");
    conversation = std::make_unique<Conversation>(recorder, pools, counters, limits, std::move(gate));
    conversation->server().keep_name("ringfence", own);
  }
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  JudgeSpace judges{HashKey{1, 2}};
  std::shared_ptr<const policy::PolicySet> kept;
  std::unique_ptr<Conversation> conversation;

  void client(std::string_view text) {
    std::string bytes;
    pg::append_query(bytes, text);
    size_t at = 0;
    REQUIRE(conversation->client().advance(bytes, at, {1'000, 1}) == Advance::all);
    CHECK(conversation->client().to_server(bytes) == bytes);
  }
  std::string server(const std::string& bytes, size_t piece) {
    std::string out;
    for (size_t begin = 0; begin < bytes.size(); begin += piece) {
      const std::string part = bytes.substr(begin, piece);
      size_t at = 0;
      REQUIRE(conversation->server().advance(part, at, {2'000, 2}) == Advance::all);
      out += conversation->server().to_client(part);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a name that RESET takes away is not told, and the session is to be named again") {
  for (policy::Level level : {policy::Level::read, policy::Level::admin}) {
    for (size_t piece : {1, 2, 3, 4, 5, 6, 7, 11, 30, 1'000}) {
      CAPTURE(piece);
      NamedTalk talk(level);
      talk.client("RESET ALL");
      CHECK_FALSE(talk.conversation->server().has_lost_name());
      CHECK(talk.server(zone + called("ringfence") + complete("RESET") + ready(), piece) ==
            zone + complete("RESET") + ready());
      CHECK(talk.conversation->server().has_lost_name());
      CHECK(talk.recorder.application_name() == "psql");
      talk.conversation->server().note_named();
      CHECK_FALSE(talk.conversation->server().has_lost_name());
    }
  }
}

TEST_CASE("a client that has named itself hears its first name again, once") {
  for (size_t piece : {1, 5, 1'000}) {
    CAPTURE(piece);
    NamedTalk talk(policy::Level::read);
    talk.client("SET application_name = 'other'");
    CHECK(talk.server(called("other") + complete("SET") + ready(), piece) ==
          called("other") + complete("SET") + ready());
    CHECK(talk.recorder.application_name() == "other");
    CHECK_FALSE(talk.conversation->server().has_lost_name());
    talk.client("DISCARD ALL");
    CHECK(talk.server(called("ringfence") + complete("DISCARD ALL") + ready(), piece) ==
          called(own) + complete("DISCARD ALL") + ready());
    CHECK(talk.conversation->server().has_lost_name());
    CHECK(talk.recorder.application_name() == "psql");
    talk.client("RESET ALL");
    CHECK(talk.server(called("ringfence") + complete("RESET") + ready(), piece) ==
          complete("RESET") + ready());
  }
}

TEST_CASE("a RESET that is rolled back leaves the session its name") {
  NamedTalk talk(policy::Level::read);
  talk.client("BEGIN; RESET ALL");
  CHECK(talk.server(complete("BEGIN") + called("ringfence") + complete("RESET") + message('Z', "T"), 1'000) ==
        complete("BEGIN") + complete("RESET") + message('Z', "T"));
  CHECK(talk.conversation->server().has_lost_name());
  CHECK_FALSE(talk.conversation->is_at_rest());
  talk.client("ROLLBACK");
  CHECK(talk.server(called(own) + complete("ROLLBACK") + ready(), 1'000) == complete("ROLLBACK") + ready());
  CHECK_FALSE(talk.conversation->server().has_lost_name());
}
