// Every wait of a session ends: by the clock, which these tests set.
#include "messages.h"
#include "ringfence/pg/frame.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

constexpr uint64_t startup_ms = 1'000;
constexpr uint64_t authentication_ms = 2'000;
constexpr uint64_t connect_ms = 1'500;
void with_deadlines(Snapshot& snapshot) {
  snapshot.limits.startup_ms = startup_ms;
  snapshot.limits.authentication_ms = authentication_ms;
  snapshot.limits.connect_ms = connect_ms;
}
std::string begun(char status) {
  std::string out;
  pg::append_command_complete(out, "BEGIN");
  pg::append_ready_for_query(out, status);
  return out;
}
// In small steps from `from_ms`, until the client was told; gives the time.
uint64_t time_until_told(World& world, uint64_t from_ms, uint64_t until_ms) {
  world.client.got.clear();
  uint64_t ms = from_ms;
  while (world.client.got.empty() && ms < until_ms) world.advance_to(++ms);
  return ms;
}
uint64_t limits_reached(World& world) { return world.core->counters.limits_reached.get(); }

}  // namespace

TEST_CASE("a client that says nothing is cut off when the time of the startup packet is over") {
  World world(1, 0, with_deadlines);
  world.connect();
  world.advance_to(startup_ms - 1);
  CHECK_FALSE(world.client.has_ended);
  world.advance_to(startup_ms);
  CHECK(world.client.has_ended);
  CHECK(world.client.got.empty());
  CHECK(world.core->is_drained());
  CHECK(limits_reached(world) == 1);
}

TEST_CASE("single bytes do not prolong the time of the startup packet") {
  World world(1, 0, with_deadlines);
  world.connect();
  std::string out;
  pg::append_ssl_request(out);
  world.send(world.client, out);
  pg::StartupMessage startup;
  startup.parameters = {{"user", "ada"}, {"database", "shop"}};
  out.clear();
  pg::append_startup(out, startup);
  for (size_t i = 0; i < 10; ++i) {
    world.advance_to(i * 99);
    world.send(world.client, out.substr(i, 1));
  }
  CHECK_FALSE(world.client.has_ended);
  world.advance_to(startup_ms);
  CHECK(world.client.has_ended);
  CHECK(world.client.got == "N");
  CHECK(world.core->is_drained());
}

TEST_CASE("a client that does not finish its authentication in time is cut off, at either step") {
  for (bool sends_first : {false, true}) {
    World world(1, 0, with_deadlines);
    world.connect();
    world.advance_to(500);
    world.start({{"user", "ada"}, {"database", "shop"}});
    if (sends_first) {
      pg::ScramClient scram("clientnonce");
      std::string out;
      pg::append_sasl_initial_response(out, pg::scram_mechanism, scram.first());
      world.advance_to(1'500);
      world.send(world.client, out);
    }
    world.advance_to(500 + authentication_ms - 1);
    CHECK_FALSE(world.client.has_ended);
    world.advance_to(500 + authentication_ms);
    CHECK(world.client.has_ended);
    CHECK(world.core->is_drained());
    CHECK(limits_reached(world) == 1);
    CHECK_FALSE(world.server.stream);
  }
}

TEST_CASE("a server that does not let us in in time is given up, and the client is told") {
  for (bool begins : {false, true}) {
    World world(1, 0, with_deadlines);
    world.reach_server();
    if (begins) {
      // Notices do not prolong it.
      for (uint64_t ms = 100; ms < connect_ms; ms += 100) {
        world.advance_to(ms);
        world.send(world.server, notice());
      }
    }
    world.advance_to(connect_ms - 1);
    CHECK(World::types(world.client.got) == "RRRR");
    world.advance_to(connect_ms);
    CHECK(World::types(world.client.got) == "RRRRE");
    CHECK(world.error().starts_with("08006"));
    CHECK(world.server.has_ended);
    auto failed = world.space.events("postgres_auth_failed");
    REQUIRE(failed.size() == 1);
    CHECK((*failed[0])[Tag::reason] == "server: the server's login took too long");
  }
}

TEST_CASE("a client that leaves while its server is reached ends that at once, and is told of in the trail") {
  for (bool sends_before : {false, true}) {
    World world(1, 0, with_deadlines);
    world.reach_server();
    std::string terminate;
    pg::append_terminate(terminate);
    if (sends_before) world.send(world.client, terminate);
    world.advance_to(500);
    CHECK_FALSE(world.server.has_ended);
    world.client.stream->shutdown();
    world.settle();
    CHECK(world.server.has_ended);
    CHECK(world.core->is_drained());
    CHECK(*world.core->snapshot->find_target("shop")->sessions == 0);
    CHECK(world.space.events("postgres_auth_failed").empty());
    auto gone = world.space.events("postgres_disconnect");
    REQUIRE(gone.size() == 1);
    CHECK((*gone[0])[Tag::reason] == "client closed the connection before the server had let it in");
  }
}

TEST_CASE(
    "what a client sends while its server is reached is not lost, also when it ends its own direction") {
  for (bool ends : {false, true}) {
    for (size_t piece_max : {0, 1}) {
      World world(1, piece_max, with_deadlines);
      world.reach_server();
      world.advance_to(100);
      world.send(world.client, query("select 1"));
      world.send(world.client, query("select 2"));
      if (ends) world.client.stream->shutdown_write();
      world.settle();
      world.advance_to(200);
      world.server.got.clear();
      world.send(world.server, World::welcome());
      CHECK(World::types(world.client.got) == "RRRRSKZ");
      CHECK(world.server.got == query("select 1") + query("select 2"));
      world.client.got.clear();
      world.send(world.server, answer() + answer());
      CHECK(World::types(world.client.got) == "CZCZ");
    }
  }
}

TEST_CASE("an idle session is ended when its time is over, and each statement begins it anew") {
  World world(1, 0, [](Snapshot& snapshot) { snapshot.limits.idle_ms = 1'000; });
  world.connect();
  world.log_in();
  world.advance_to(900);
  world.send(world.client, query("select 1"));
  world.send(world.server, answer());
  uint64_t told = time_until_told(world, 900, 10'000);
  CHECK(told >= 1'900);
  CHECK(told <= 1'900 + 1'000 / 4 + 2);
  CHECK(World::types(world.client.got) == "E");
  CHECK(world.error().starts_with("57P05"));
  CHECK(world.server.has_ended);
  CHECK(limits_reached(world) == 1);
  REQUIRE(world.space.events("postgres_disconnect").size() == 1);
  CHECK((*world.space.events("postgres_disconnect")[0])[Tag::sqlstate] == "57P05");
}

TEST_CASE("what the server says by itself makes no session an active one, in a transaction or outside") {
  for (const std::string& said : {notification(), notice(), status("TimeZone", "UTC")}) {
    for (bool in_transaction : {false, true}) {
      World world(1, 0, [&](Snapshot& snapshot) {
        (in_transaction ? snapshot.limits.idle_in_transaction_ms : snapshot.limits.idle_ms) = 1'000;
      });
      world.connect();
      world.log_in();
      if (in_transaction) {
        world.send(world.client, query("begin"));
        world.send(world.server, begun('T'));
      }
      for (uint64_t ms = 100; ms <= 1'300; ms += 100) {
        world.advance_to(ms);
        if (!world.server.has_ended) world.send(world.server, said);
      }
      CHECK(world.server.has_ended);
      CHECK(world.error().starts_with(in_transaction ? "25P03" : "57P05"));
    }
  }
}

TEST_CASE("a session whose statement runs is not idle, however long that takes") {
  World world(1, 0, [](Snapshot& snapshot) {
    snapshot.limits.idle_ms = 1'000;
    snapshot.limits.idle_in_transaction_ms = 500;
  });
  world.connect();
  world.log_in();
  world.send(world.client, query("select pg_sleep(60)"));
  CHECK(time_until_told(world, 0, 60'000) == 60'000);
  world.send(world.server, answer());
  CHECK(World::types(world.client.got) == "CZ");
  uint64_t told = time_until_told(world, 60'000, 70'000);
  CHECK(told >= 61'000);
  CHECK(told <= 61'000 + 500 / 4 + 2);
}

TEST_CASE("a transaction that is left open has a time of its own") {
  for (char status : {'T', 'E'}) {
    World world(1, 0, [](Snapshot& snapshot) { snapshot.limits.idle_in_transaction_ms = 1'000; });
    world.connect();
    world.log_in();
    // Outside of a transaction it does not count.
    CHECK(time_until_told(world, 0, 5'000) == 5'000);
    world.send(world.client, query("begin"));
    world.send(world.server, begun(status));
    uint64_t told = time_until_told(world, 5'000, 20'000);
    CHECK(told >= 6'000);
    CHECK(told <= 6'000 + 1'000 / 4 + 2);
    CHECK(world.error().starts_with("25P03"));
    CHECK(world.server.has_ended);
    CHECK((*world.space.events("postgres_disconnect")[0])[Tag::sqlstate] == "25P03");
  }
}

TEST_CASE("without bounds on idleness a session stays") {
  World world;
  world.connect();
  world.log_in();
  CHECK(world.shard.timers().size() == 0);
  world.advance_to(1'000'000'000);
  CHECK_FALSE(world.client.has_ended);
}

TEST_CASE("a server that does not finish what a gone client had sent is given up, its outcome unknown") {
  World world;
  world.connect();
  world.log_in();
  world.send(world.client, query("select pg_sleep(60)"));
  world.client.stream->shutdown();
  world.settle();
  world.advance_to(client_gone_ms - 1);
  CHECK_FALSE(world.core->is_drained());
  world.advance_to(client_gone_ms);
  CHECK(world.core->is_drained());
  CHECK(statements_of(world.space).begin()->second.outcome == "unknown");
}

TEST_CASE("a client that does not hang up after its FATAL is hung up on") {
  World world;
  world.connect();
  world.log_in();
  world.server.stream->shutdown();
  world.settle();
  CHECK(World::types(world.client.got) == "E");
  CHECK_FALSE(world.core->is_drained());
  world.advance_to(linger_ms - 1);
  CHECK_FALSE(world.core->is_drained());
  world.advance_to(linger_ms);
  CHECK(world.core->is_drained());
}

TEST_CASE("a client that floods us after its FATAL is hung up on sooner") {
  World world;
  world.connect();
  world.log_in();
  world.server.stream->shutdown();
  world.settle();
  world.send(world.client, std::string(linger_bytes_max, 'x'));
  CHECK(world.core->is_drained());
}
