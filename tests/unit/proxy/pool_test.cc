// Server connections that outlive their sessions: when they are kept, when they are handed on, and when they
// are not.
#include "pool_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

TEST_CASE(
    "a connection whose state is discarded serves the next session, which learns the same of the server") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    PoolWorld world(seed);
    world.begin();
    world.run_first("select 1");
    world.give_back();
    for (int i = 0; i < 3; ++i) {
      world.begin_again();
      CHECK(world.servers.back().got.empty());
      CHECK(World::types(world.client.got) == "RRRRSSKZ");
      CHECK(world.client.got.find("ringfence/ada") != std::string::npos);
      world.run_first("select 1");
      world.send(world.client, query("select 2"));
      CHECK(world.servers.back().got == query("select 2"));
      world.send(world.servers.back(), answer());
      CHECK(world.client.got == answer());
      world.forget();
      world.give_back();
    }
    CHECK(world.servers.size() == 1);
    CHECK(world.counters().pool_hits.get() == 3);
    CHECK(world.counters().pool_misses.get() == 1);
    CHECK(world.counters().pool_in_use.get() == 0);
  }
}

TEST_CASE(
    "the client's Terminate does not reach a connection that is kept, and one that is not kept gets it") {
  PoolWorld world;
  world.begin();
  world.run_first("select 1");
  world.send(world.client, query("begin"));
  std::string begun;
  pg::append_command_complete(begun, "BEGIN");
  pg::append_ready_for_query(begun, 'T');
  world.send(world.servers.back(), begun);
  world.forget();
  world.send(world.client, terminate());
  CHECK(world.servers.back().got == terminate());
  world.client.stream->shutdown();
  world.settle();
  world.servers.back().stream->shutdown();
  world.settle();
  CHECK(world.counters().pool_discards.get() == 1);
  CHECK(world.counters().pool_idle.get() == 0);
}

TEST_CASE("a session's end is not the server's word: without its answer, or with another, nothing is kept") {
  std::string error;
  pg::append_error_response(
      error, {.severity = "ERROR", .sqlstate = "42501", .message = "permission denied for setseed"});
  std::string other;
  pg::append_command_complete(other, "DISCARD ALL");
  pg::append_ready_for_query(other, 'T');
  std::string changed;
  pg::append_parameter_status(changed, "TimeZone", "Asia/Tokyo");
  for (const std::string& wrong : {error, other, changed + reset_answer(), reset_answer() + "Z"}) {
    PoolWorld world;
    world.begin();
    world.end_client();
    CHECK(World::types(world.servers.back().got) == "QQ");
    world.send(world.servers.back(), wrong);
    CHECK(world.counters().pool_idle.get() == 0);
    CHECK(world.counters().pool_discards.get() == 1);
    CHECK(world.servers.back().has_ended);
  }
  PoolWorld world;
  world.begin();
  world.end_client();
  world.advance_to(pool_reset_ms + 1'000);
  CHECK(world.servers.back().has_ended);
  CHECK(world.counters().pool_idle.get() == 0);
}

TEST_CASE("what only a Sync would end is not ended by us") {
  PoolWorld world;
  world.begin();
  world.run_first("select 1");
  std::string group;
  pg::append_parse(group, "", "insert into t values (1)");
  world.send(world.client, group);
  auto complete = pg::frame_header('1', 0);
  world.send(world.servers.back(), std::string(complete.data(), complete.size()));
  world.forget();
  world.send(world.client, terminate());
  CHECK(world.servers.back().got == terminate());
}

TEST_CASE(
    "a connection that the server ends or speaks on while it waits is closed, and nobody hears what it "
    "said") {
  std::string notice;
  pg::append_notice_response(
      notice, {.severity = "NOTICE", .sqlstate = "00000", .message = "secret of the one before"});
  for (const std::string& said : {std::string(), notice}) {
    PoolWorld world;
    world.begin();
    world.give_back();
    if (said.empty()) world.servers.back().stream->shutdown();
    else world.send(world.servers.back(), said);
    world.settle();
    // Before anybody has looked: it is not handed out all the same.
    world.begin_again();
    CHECK(world.servers.size() == 2);
    world.send(world.servers.back(), PoolWorld::pool_welcome());
    CHECK(World::types(world.client.got) == "RRRRSSKZ");
    CHECK(world.client.got.find("secret") == std::string::npos);
    world.advance_to(1);
    CHECK(world.counters().pool_idle.get() == 0);
    CHECK(world.servers.front().has_ended);
    CHECK(world.counters().pool_hits.get() == 0);
  }
}

TEST_CASE(
    "a connection that is lost as it is handed out is replaced by a new one before its session is told "
    "anything") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    PoolWorld world(seed);
    world.begin();
    world.give_back();
    world.advance_to(pool_fresh_ms + 1);
    world.begin_again();
    CHECK(world.servers.size() == 1);
    CHECK(world.servers.back().got == naming_message("ringfence/ada"));
    CHECK(World::types(world.client.got) == "RRRR");
    world.servers.back().stream->shutdown();
    world.settle();
    REQUIRE(world.servers.size() == 2);
    world.send(world.servers.back(), PoolWorld::pool_welcome());
    CHECK(World::types(world.client.got) == "RRRRSSKZ");
    CHECK(world.counters().pool_failures.get() == 1);
    CHECK(world.counters().pool_misses.get() == 2);
  }
}

TEST_CASE("a connection that does not answer its next session in time is replaced by a new one") {
  PoolWorld world;
  world.begin();
  world.give_back();
  world.advance_to(pool_fresh_ms + 1);
  world.begin_again();
  world.advance_to(pool_fresh_ms + pool_wake_ms + 1'000);
  CHECK(world.servers.front().has_ended);
  REQUIRE(world.servers.size() == 2);
  CHECK(world.counters().pool_failures.get() == 1);
}

TEST_CASE("a connection that nobody comes for is closed with a Terminate when its time is over") {
  PoolWorld world(1, [](Target& target) { target.pool.idle_ms = 5'000; });
  world.begin();
  world.give_back();
  world.advance_to(4'000);
  CHECK(world.counters().pool_idle.get() == 1);
  world.advance_to(5'001);
  CHECK(world.counters().pool_idle.get() == 0);
  CHECK(world.counters().pool_expired.get() == 1);
  CHECK(world.servers.back().got == terminate());
  CHECK(world.servers.back().has_ended);
}

TEST_CASE("a connection is used for an hour at most") {
  PoolWorld world(1, [](Target& target) { target.pool.idle_ms = 24 * 3'600'000; });
  world.begin();
  world.give_back();
  world.advance_to(pool_lifetime_ms + 1);
  CHECK(world.counters().pool_idle.get() == 0);
  CHECK(world.servers.back().has_ended);
}

TEST_CASE(
    "a snapshot with another password, or without a pool, closes what waits; the same target keeps it") {
  for (int change = 0; change < 3; ++change) {
    PoolWorld world;
    world.begin();
    world.give_back();
    auto next = std::make_shared<Snapshot>(*world.core->snapshot);
    ++next->generation;
    if (change == 1) next->targets["shop"].password = "other";
    if (change == 2) next->targets["shop"].pool.max = 0;
    world.core->use(next);
    world.settle();
    CHECK(world.counters().pool_idle.get() == (change == 0 ? 1 : 0));
  }
}

TEST_CASE("a session whose target changed while it was there does not give its connection back") {
  PoolWorld world;
  world.begin();
  auto next = std::make_shared<Snapshot>(*world.core->snapshot);
  ++next->generation;
  next->targets["shop"].port = 6543;
  world.core->use(next);
  world.settle();
  world.send(world.client, terminate());
  CHECK(world.servers.back().got == terminate());
}

TEST_CASE("connections made ahead wait before anybody comes, and a failure is tried again later and later") {
  PoolWorld world(1, [](Target& target) { target.pool.min = 2; });
  world.core->begin();
  world.settle();
  REQUIRE(world.servers.size() == 1);
  world.send(world.servers.back(), PoolWorld::pool_welcome());
  REQUIRE(world.servers.size() == 2);
  world.servers.back().stream->shutdown();
  world.settle();
  CHECK(world.counters().pool_idle.get() == 1);
  CHECK(world.counters().pool_failures.get() == 1);
  world.advance_to(pool_retry_ms_min - 1);
  CHECK(world.servers.size() == 2);
  world.advance_to(pool_retry_ms_min + 1);
  REQUIRE(world.servers.size() == 3);
  world.servers.back().stream->shutdown();
  world.settle();
  world.advance_to(2 * pool_retry_ms_min + 1);
  CHECK(world.servers.size() == 3);
  world.advance_to(3 * pool_retry_ms_min + 2);
  REQUIRE(world.servers.size() == 4);
  world.send(world.servers.back(), PoolWorld::pool_welcome());
  CHECK(world.counters().pool_idle.get() == 2);
}

TEST_CASE("without a pool the server is told of a session's end as ever") {
  World world;
  world.connect();
  world.log_in();
  world.send(world.client, terminate());
  CHECK(world.server.got == terminate());
  CHECK(world.core->counters.pool_misses.get() == 0);
}

TEST_CASE("a connection made ahead that leads to a later host is not kept, and is not made again at once") {
  PoolWorld world(1, [](Target& target) {
    target.pool.min = 1;
    target.hosts = {"first", "second"};  // The connections of this test lead to neither by name.
  });
  world.core->begin();
  world.settle();
  REQUIRE(world.servers.size() == 1);
  world.send(world.servers.back(), PoolWorld::pool_welcome());
  CHECK(world.counters().pool_idle.get() == 0);
  CHECK(world.counters().pool_failures.get() == 1);
  world.advance_to(pool_retry_ms_min - 1);
  CHECK(world.servers.size() == 1);
  world.advance_to(pool_retry_ms_min + 1);
  CHECK(world.servers.size() == 2);
}

TEST_CASE(
    "a session that said goodbye ended by itself, whoever ends what is left of it while its connection is "
    "reset") {
  for (bool is_drained : {false, true}) {
    PoolWorld world;
    world.begin();
    world.end_client();
    CHECK(World::types(world.servers.back().got) == "QQ");
    if (is_drained) world.core->drain();
    else world.core->end_all({EndCause::administrator, "ended by an administrator", ""});
    world.settle();
    CHECK(world.servers.back().has_ended);
    CHECK(world.counters().pool_discards.get() == 1);
    CHECK(world.counters().pool_idle.get() == 0);
    REQUIRE(world.space.events("postgres_disconnect").size() == 1);
    const auto& ended = *world.space.events("postgres_disconnect")[0];
    CHECK(ended[audit::Tag::reason] == "client terminated");
    CHECK(ended[audit::Tag::sqlstate].empty());
  }
}

TEST_CASE("a session that said goodbye is not idle while its connection is reset") {
  PoolWorld world(1, {}, 1'000);
  world.begin();
  world.end_client();
  world.advance_to(3'000);
  // Nor is it named: the answer to that would be the next session's.
  CHECK(World::types(world.servers.back().got) == "QQ");
  world.send(world.servers.back(), reset_answer());
  CHECK(world.counters().pool_idle.get() == 1);
  CHECK(world.counters().limits_reached.get() == 0);
  REQUIRE(world.space.events("postgres_disconnect").size() == 1);
  CHECK((*world.space.events("postgres_disconnect")[0])[audit::Tag::reason] == "client terminated");
}

TEST_CASE("a server that ignores everything until a Sync is not asked to discard anything") {
  PoolWorld world;
  world.begin();
  world.run_first("select 1");
  std::string group;
  pg::append_parse(group, "", "selct");
  world.send(world.client, group);
  std::string error;
  pg::append_error_response(error, {.severity = "ERROR", .sqlstate = "42601", .message = "syntax error"});
  world.send(world.servers.back(), error);
  // Ends a group by its type, but the server does not even read it.
  world.send(world.client, query("select 1"));
  world.forget();
  world.send(world.client, terminate());
  CHECK(world.servers.back().got == terminate());
}

TEST_CASE("a connection that was reset and cannot be kept is counted as discarded") {
  PoolWorld world;
  world.begin();
  world.end_client();
  auto next = std::make_shared<Snapshot>(*world.core->snapshot);
  ++next->generation;
  next->targets["shop"].password = "other";
  world.core->use(next);
  world.send(world.servers.back(), reset_answer());
  CHECK(world.servers.back().has_ended);
  CHECK(world.counters().pool_idle.get() == 0);
  CHECK(world.counters().pool_discards.get() == 1);
}

TEST_CASE(
    "before any session came, connections are made ahead with the target's own user, not with an "
    "administrator's") {
  PoolWorld world(1, [](Target& target) {
    target.pool.min = 1;
    target.credentials[policy::Level::admin] = {"boss", "Boss-Secret"};
  });
  world.core->begin();
  world.settle();
  REQUIRE(world.servers.size() == 1);
  CHECK(world.servers.back().got.find("boss") == std::string::npos);
  CHECK(world.servers.back().got.find(std::string("user\0app\0", 9)) != std::string::npos);
  world.send(world.servers.back(), PoolWorld::pool_welcome());
  CHECK(world.counters().pool_idle.get() == 1);
  // It is as the next snapshot would have it.
  auto next = std::make_shared<Snapshot>(*world.core->snapshot);
  ++next->generation;
  world.core->use(next);
  world.settle();
  CHECK(world.counters().pool_idle.get() == 1);
}

TEST_CASE(
    "connections of another kind than the last session's do not stand in the way of those made ahead, and go "
    "first") {
  for (bool by_time : {false, true}) {
    PoolWorld world(1, [](Target& target) {
      target.pool.min = 1;
      target.pool.max = 3;
    });
    WarmPool& pool = *world.pg_shard->state().warm;
    world.core->begin();
    world.settle();
    REQUIRE(world.servers.size() == 1);
    world.send(world.servers.back(), PoolWorld::pool_welcome());
    world.connect();
    world.authenticate("ada", "secret");
    CHECK(world.counters().pool_hits.get() == 1);
    world.advance_to(2 * pool_fill_pause_ms);
    REQUIRE(world.servers.size() == 2);
    world.send(world.servers.back(), PoolWorld::pool_welcome());
    CHECK(world.counters().pool_idle.get() == 1);
    const SnapshotPtr snapshot = world.core->snapshot;
    const std::vector<pg::StartupParameter> others = {
        {"application_name", std::string(warm_application_name)}, {"client_encoding", "LATIN1"}};
    pool.note_wish(*snapshot->find_target("shop"), policy::Level::admin, others);
    world.advance_to(4 * pool_fill_pause_ms);
    REQUIRE(world.servers.size() == 3);
    CHECK(world.servers.back().got.find("LATIN1") != std::string::npos);
    world.send(world.servers.back(), PoolWorld::pool_welcome());
    world.end_client();
    world.send(world.servers.front(), reset_answer());
    REQUIRE(world.counters().pool_idle.get() == 3);
    // Now one of another kind is older, and one is younger.
    if (by_time) {
      world.advance_to(snapshot->find_target("shop")->pool.idle_ms + 2'000);
      CHECK(world.counters().pool_expired.get() == 2);
    } else {
      CHECK(pool.evict("shop"));
      CHECK(pool.evict("shop"));
      world.settle();
    }
    CHECK(world.counters().pool_idle.get() == 1);
    CHECK(world.servers.front().has_ended);
    CHECK_FALSE(world.servers.back().has_ended);
    CHECK(world.servers.size() == 3);
  }
}

TEST_CASE("the log hears of one failed reset a minute, and how many it was not told of") {
  LogPause log_pause;
  constexpr uint64_t pause_ns = log_pause_ms * 1'000'000;
  CHECK(log_pause.admit(5) == 0u);
  CHECK_FALSE(log_pause.admit(6).has_value());
  CHECK_FALSE(log_pause.admit(4 + pause_ns).has_value());
  CHECK(log_pause.admit(5 + pause_ns) == 2u);
  CHECK_FALSE(log_pause.admit(6 + pause_ns).has_value());
  CHECK(log_pause.admit(5 + 3 * pause_ns) == 1u);
}
