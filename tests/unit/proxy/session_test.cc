// What sessions do between login and end, whole, over in-memory streams.
#include <algorithm>
#include <atomic>

#include "ringfence/proxy/core/bounds.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

TEST_CASE("a session logs in, runs statements and ends, in pieces of any size") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed, seed % 3 == 0 ? 0 : seed % 3 * 5 - 4);
    world.connect();
    world.log_in();
    world.send(world.client, query("select 1"));
    CHECK(world.server.got == query("select 1"));
    world.send(world.server, answer());
    CHECK(world.client.got == answer());
    std::string bye;
    pg::append_terminate(bye);
    world.send(world.client, bye);
    world.client.stream->shutdown();
    world.settle();
    world.server.stream->shutdown();
    world.settle();
    auto statements = statements_of(world.space);
    REQUIRE(statements.size() == 1);
    CHECK(statements.begin()->second.outcome == "success");
    CHECK(world.space.events("postgres_connect").size() == 1);
    CHECK(world.space.events("postgres_disconnect").size() == 1);
    CHECK(world.core->load() == 0);
  }
}

TEST_CASE("a wrong password and an unknown user look the same") {
  std::string texts[2];
  int i = 0;
  for (std::string_view user : {"ada", "eve"}) {
    World world(1, 0);
    world.connect();
    world.authenticate(user, "wrong");
    CHECK(World::types(world.client.got) == "RRE");
    texts[i] = world.error();
    CHECK(texts[i].starts_with("28P01"));
    texts[i].replace(texts[i].find(user), user.size(), "?");
    CHECK_FALSE(world.server.stream);
    CHECK(world.space.events("postgres_auth_failed").size() == 1);
    ++i;
  }
  CHECK(texts[0] == texts[1]);
}

TEST_CASE("a server that closes in the middle of a session leaves the client a FATAL") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.server.stream->shutdown();
  world.settle();
  CHECK(world.error().starts_with("08006"));
  CHECK(statements_of(world.space).begin()->second.outcome == "unknown");
}

TEST_CASE("between the halves of a server's message nothing of ours is put") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.send(world.server, answer().substr(0, 8));
  world.server.stream->shutdown();
  world.settle();
  CHECK(world.client.got == answer().substr(0, 8));
  CHECK(world.client.has_ended);
}

TEST_CASE("a client that goes leaves the server its statements to finish, and the trail their outcome") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.client.stream->shutdown();
  world.settle();
  CHECK(world.server.has_ended);
  world.send(world.server, answer());
  world.server.stream->shutdown();
  world.settle();
  CHECK(statements_of(world.space).begin()->second.outcome == "success");
}

TEST_CASE("more messages than may be in flight go out as they are answered, however many come at once") {
  for (bool is_restricted : {false, true}) {
    World world(1, 0, [&](Snapshot& snapshot) {
      if (is_restricted) snapshot.policies = policies_for("*", policy::Level::read);
    });
    world.connect();
    world.log_in();
    constexpr size_t count = 10'000;
    std::string all;
    for (size_t i = 0; i < count; ++i) {
      pg::append_bind(all, "", "s");
      pg::append_sync(all);
    }
    world.send(world.client, all);
    size_t answered = 0;
    while (answered < count) {
      const std::string types = World::types(world.server.got);
      const size_t asked = static_cast<size_t>(std::count(types.begin(), types.end(), 'S'));
      REQUIRE(asked > answered);
      CHECK(asked - answered <= pipeline_entries_max);
      std::string out;
      for (; answered < asked; ++answered) {
        out += std::string("2\0\0\0\4", 5);
        pg::append_ready_for_query(out, 'I');
      }
      world.send(world.server, out);
    }
    CHECK(world.server.got == all);
    CHECK(World::types(world.client.got).size() == 2 * count);
  }
}

TEST_CASE("an operator ends a session, and draining ends those that are idle") {
  for (bool drains : {false, true}) {
    World world(1, 0);
    world.connect();
    world.log_in();
    if (drains) world.core->drain();
    else world.core->end(world.core->list().at(0).id, {EndCause::administrator, "by the operator", ""});
    world.settle();
    CHECK(world.error().starts_with("57P01"));
    CHECK(world.client.has_ended);
  }
}

TEST_CASE("draining waits for the running statement") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.core->drain();
  world.settle();
  CHECK_FALSE(world.client.has_ended);
  world.send(world.server, answer());
  CHECK(world.client.has_ended);
  CHECK(World::types(world.client.got) == "CZE");
}

TEST_CASE("without room in the trail no statement reaches the server, and the session is refused in time") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.space.is_full = true;
  world.send(world.client, query("select 1"));
  CHECK(world.server.got.empty());
  world.advance_to(11'000);
  CHECK(world.server.got.empty());
  CHECK(world.error().starts_with("58030"));
  world.space.is_full = false;
  world.core->trail_has_room();
  CHECK(world.space.events("postgres_disconnect").size() == 1);
}

TEST_CASE("room that comes in time lets the statement through") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.space.is_full = true;
  world.send(world.client, query("select 1"));
  world.space.is_full = false;
  world.core->trail_has_room();
  world.settle();
  CHECK(world.server.got == query("select 1"));
}

TEST_CASE("in durability disk no statement reaches the server before its record is on the disk") {
  std::atomic<int> begun = 0;
  std::atomic<bool> may_end = false;
  World world(1, 0, {}, 1, [&]() -> Result<void> {
    ++begun;
    while (!may_end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  });
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.turn_until([&] { return begun == 1; });
  world.advance_to(5);
  CHECK(statements_of(world.space).size() == 1);
  CHECK(world.server.got.empty());
  may_end = true;
  world.turn_until([&] { return !world.server.got.empty(); });
  CHECK(world.server.got == query("select 1"));
  world.send(world.server, answer());
  CHECK(world.client.got == answer());
  // What has no statement in it does not wait.
  world.server.got.clear();
  std::string out;
  pg::append_sync(out);
  world.send(world.client, out);
  CHECK(world.server.got == out);
  CHECK(begun == 1);
  CHECK(world.core->counters.trail_syncs.get() == 1);
}

TEST_CASE("where the disk refuses, or nobody can ask it, the statement is refused and the session ends") {
  for (unsigned worker_threads : {0u, 1u}) {
    World world(1, 0, {}, worker_threads, []() -> Result<void> { return fail(Fault::io, "no"); });
    world.connect();
    world.log_in();
    world.send(world.client, query("select 1"));
    world.turn_until([&] { return !world.client.got.empty(); });
    CHECK(world.error().starts_with("58030"));
    CHECK(world.server.got.empty());
    CHECK(world.server.has_ended);
    REQUIRE(statements_of(world.space).size() == 1);
    CHECK(statements_of(world.space).begin()->second.outcomes == 1);
    CHECK(statements_of(world.space).begin()->second.outcome != "success");
  }
}

TEST_CASE("a client that goes while the disk is waited for leaves a session that ends") {
  std::atomic<bool> may_end = false;
  World world(1, 0, {}, 1, [&]() -> Result<void> {
    while (!may_end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  });
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.advance_to(1);
  world.client.stream->shutdown();
  world.server.stream->shutdown();
  world.settle();
  CHECK_FALSE(world.core->is_drained());
  may_end = true;
  world.turn_until([&] { return world.core->is_drained(); });
  CHECK(world.server.got.empty());
  CHECK(statements_of(world.space).begin()->second.outcomes == 1);
}
