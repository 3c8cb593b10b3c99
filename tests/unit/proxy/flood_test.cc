// What strangers and users may add to the trail, against whole sessions. The clock is the test's.
#include "ringfence/proxy/core/session_volume.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;
using model::mib;

namespace {

void by_user(Snapshot& snapshot) { snapshot.limits.volume_per_user = {mib, mib}; }
void by_address(Snapshot& snapshot) { snapshot.limits.volume_per_address = {mib, mib}; }

size_t queries_at_server(const World& world) {
  const std::string types = World::types(world.server.got);
  return static_cast<size_t>(std::count(types.begin(), types.end(), 'Q'));
}

void fail_login(World& world, std::vector<pg::StartupParameter> parameters) {
  world.client.got.clear();
  world.client.has_ended = false;
  world.connect();
  world.authenticate("wrong", std::move(parameters));
  REQUIRE(World::types(world.client.got).ends_with("E"));
  world.client.stream->shutdown();
  world.settle();
}

}  // namespace

TEST_CASE("who fills the trail faster than it may be filled is slowed, and nothing is lost") {
  for (auto rule : {by_user, by_address}) {
    World world(1, 0, rule);
    world.connect();
    world.log_in();
    const std::string text = "select '" + std::string(60'000, 'x') + "'";
    const size_t all = 60;
    size_t sent = 0;
    // The burst at once.
    while (sent < all) {
      world.send(world.client, query(text));
      ++sent;
      if (queries_at_server(world) < sent) break;
      world.send(world.server, answer());
    }
    CHECK(sent > 15);
    CHECK(sent < 20);
    CHECK(world.core->counters.volume_waits.get() == 1);
    CHECK_FALSE(world.client.has_ended);
    // The rest at the rate: some 17 a second.
    uint64_t ms = 0;
    for (; sent < all && ms < 60'000; ms += 10) {
      world.advance_to(ms);
      if (queries_at_server(world) < sent) continue;
      world.send(world.server, answer());
      world.send(world.client, query(text));
      ++sent;
    }
    CHECK(sent == all);
    CHECK(ms > 2'000);
    CHECK(ms < 4'000);
    world.advance_to(60'000);
    CHECK(queries_at_server(world) == all);
    CHECK(statements_of(world.space).size() == all);
  }
}

TEST_CASE("a session is charged to its user and to its address, and waits for the slower of both") {
  World world(1, 0, [](Snapshot& snapshot) {
    snapshot.limits.volume_per_user = {mib, mib};
    snapshot.limits.volume_per_address = {2 * mib, mib};
  });
  ShardCore& core = *world.core;
  const Limits& limits = core.snapshot->limits;
  SessionVolume ada;
  SessionVolume bob;
  SessionVolume bob_at_socket;
  ada.find(core, limits, "ada", "192.0.2.1:4000");
  bob.find(core, limits, "bob", "192.0.2.1:4001");
  bob_at_socket.find(core, limits, "bob", "unix:/run/ringfence");
  CHECK(ada.settle(core, false) == 0);
  CHECK_FALSE(ada.is_spent());
  ada.charge(4 * mib);
  CHECK(ada.is_spent());
  CHECK(ada.settle(core, false) > 2'000'000'000);
  CHECK(ada.bound(core.shard.now_ns()).is_users);
  CHECK(ada.bound(core.shard.now_ns()).rule.bytes_per_s == mib);
  // Of the same address, and another user.
  CHECK(bob.settle(core, false) > 1'000'000'000);
  CHECK_FALSE(bob.bound(core.shard.now_ns()).is_users);
  CHECK(bob.bound(core.shard.now_ns()).rule.bytes_per_s == 2 * mib);
  CHECK(bob_at_socket.settle(core, false) == 0);
  CHECK(bob_at_socket.wait_ns(core.shard.now_ns()) == 0);
}

TEST_CASE("who would wait for longer than is worth it is told which bound it is") {
  for (bool is_users : {true, false}) {
    World world(1, 0, [is_users](Snapshot& snapshot) {
      (is_users ? snapshot.limits.volume_per_user : snapshot.limits.volume_per_address) = {mib, mib};
      snapshot.limits.statement_bytes_max = Limits::statement_bytes_most;
    });
    world.connect();
    world.log_in();
    // In one flight: each is recorded before the next one's turn to wait comes.
    std::string flight;
    for (int i = 0; i < 50; ++i) flight += query("select '" + std::string(380'000, 'x') + "'");
    world.send(world.client, flight);
    world.send(world.client, query("select 1"));
    for (uint64_t ms = 0; ms < 12'000 && world.client.got.empty(); ms += 100) world.advance_to(ms);
    CHECK(world.error().starts_with("53400 terminating connection: the statements of " +
                                    std::string(is_users ? "user \"ada\"" : "address memory")));
    auto fields = pg::parse_error_fields(World::last_body(world.client.got));
    REQUIRE(fields);
    CHECK(std::string(fields->hint).find(is_users ? "audit.volume_per_user" : "audit.volume_per_address") !=
          std::string::npos);
    CHECK(world.core->counters.volume_refusals.get() == 1);
    CHECK((*world.space.events("postgres_disconnect")[0])[Tag::sqlstate] == "53400");
  }
}

TEST_CASE("behind a journal that waits for the store a burst is short") {
  World world(1, 0, [](Snapshot& snapshot) { snapshot.limits.volume_per_user = {64 << 10, 128 * mib}; });
  world.connect();
  world.log_in();
  world.space.waiting = 5 * mib;
  const std::string text = "select '" + std::string(60'000, 'x') + "'";
  size_t sent = 0;
  auto flood = [&] {
    const size_t before = sent;
    while (queries_at_server(world) == sent && sent - before < 100) {
      world.send(world.client, query(text));
      ++sent;
      if (queries_at_server(world) == sent) world.send(world.server, answer());
    }
    return sent - before;
  };
  const size_t burst = flood();
  CHECK(burst > 3);
  CHECK(burst < 8);
  uint64_t ms = 0;
  auto wait_until = [&](uint64_t end_ms) {
    while (ms < end_ms) world.advance_to(ms += 10);
  };
  // The store is away: the session goes on, slowly.
  wait_until(900);
  CHECK(queries_at_server(world) == sent - 1);
  wait_until(1'100);
  CHECK(queries_at_server(world) == sent);
  world.send(world.server, answer());
  CHECK(flood() <= 2);
  // It is back.
  world.space.waiting = 0;
  wait_until(1'200);
  CHECK(queries_at_server(world) == sent);
  world.send(world.server, answer());
  CHECK(flood() == 100);
  CHECK(world.core->counters.volume_refusals.get() == 0);
}

TEST_CASE("ordinary work meets no bound") {
  World world(1, 0, [](Snapshot& snapshot) {
    by_user(snapshot);
    by_address(snapshot);
  });
  world.connect();
  world.log_in();
  for (int i = 0; i < 500; ++i) {
    world.send(world.client, query("select 1"));
    world.send(world.server, answer());
  }
  CHECK(queries_at_server(world) == 500);
  CHECK(world.core->counters.volume_waits.get() == 0);
}

TEST_CASE("a session that ends while it waits is let go") {
  World world(1, 0, by_user);
  world.connect();
  world.log_in();
  const std::string text = "select '" + std::string(60'000, 'x') + "'";
  while (world.core->counters.volume_waits.get() == 0) {
    world.send(world.client, query(text));
    world.send(world.server, answer());
  }
  world.core->end_all({EndCause::administrator, "ended by somebody", ""});
  world.settle();
  world.advance_to(300);
  CHECK(world.error() == "57P01 ended by somebody");
}

TEST_CASE("failed logins are told once, and then by their number") {
  World world;
  world.shard.turn_at(1);
  for (int i = 0; i < 50; ++i) fail_login(world, {{"user", "ada"}, {"database", "shop"}});
  REQUIRE(world.space.events("postgres_auth_failed").size() == 1);
  CHECK((*world.space.events("postgres_auth_failed")[0])[Tag::reason] == "wrong password");
  CHECK(world.core->counters.logins_failed.get() == 50);
  CHECK(world.core->counters.failures_counted.get() == 49);
  world.core->tell_failures();
  REQUIRE(world.space.events("postgres_auth_failed").size() == 2);
  auto& told = *world.space.events("postgres_auth_failed")[1];
  CHECK(told[Tag::user_name] == "ada");
  CHECK(told[Tag::reason] == "wrong password");
  CHECK(told[Tag::metadata].starts_with("{\"count\":49,"));
  // Once.
  world.core->tell_failures();
  CHECK(world.space.events("postgres_auth_failed").size() == 2);
}

TEST_CASE("counted failures are told when their window has ended, and then nothing is waited for any more") {
  World world;
  world.advance_to(1'000);
  for (int i = 0; i < 3; ++i) fail_login(world, {{"user", "ada"}, {"database", "shop"}});
  CHECK(world.space.events("postgres_auth_failed").size() == 1);
  world.advance_to(60'000);
  world.advance_to(120'000);
  CHECK(world.space.events("postgres_auth_failed").size() <= 2);
}

TEST_CASE("a failed login adds little to the trail, whatever it claims to be") {
  World world;
  fail_login(world, {{"user", std::string(3'000, 'u')},
                     {"database", std::string(3'000, 'd')},
                     {"application_name", std::string(3'000, 'a')}});
  REQUIRE(world.space.events("postgres_auth_failed").size() == 1);
  auto& told = *world.space.events("postgres_auth_failed")[0];
  CHECK(told[Tag::database].ends_with("…[3000 bytes]"));
  size_t bytes = 0;
  for (Tag tag : {Tag::user_name, Tag::database, Tag::application_name, Tag::reason, Tag::client_addr})
    bytes += told[tag].size();
  CHECK(bytes < 900);
}

TEST_CASE("logins that succeed and what users do then are never counted together") {
  World world;
  for (int i = 0; i < 5; ++i) {
    world.client.got.clear();
    world.connect();
    world.authenticate("secret", {{"user", "ada"}, {"database", "nowhere"}});
    world.client.stream->shutdown();
    world.settle();
  }
  CHECK(world.space.events("postgres_client_auth").size() == 5);
  CHECK(world.space.events("access_denied").size() == 5);
}
