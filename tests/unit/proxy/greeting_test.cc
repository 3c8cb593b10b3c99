// What a client is sent from its last proof on: AuthenticationOk, then the greeting or a refusal, and in how
// many pieces.
#include "pool_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

ring::Task<void> listen_by_piece(Peer* peer, std::vector<std::string>* pieces) {
  for (;;) {
    net::Receive receive(*peer->stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    pieces->emplace_back(chunk->bytes());
    peer->got.append(chunk->bytes());
  }
  peer->has_ended = true;
}

// A login of a new client; the types of the messages that each piece brought after its proof.
std::vector<std::string> log_in_by_piece(World& world, std::string_view database = "shop",
                                         std::string_view password = "secret") {
  world.client = Peer{};
  std::vector<std::string> pieces;
  auto pair = world.network.make_pair(0);
  world.client.stream = std::move(pair.right);
  world.pg_shard->adopt(std::move(pair.left), world.listener);
  ring::spawn(listen_by_piece(&world.client, &pieces));
  world.authenticate(password, {{"user", "ada"}, {"database", std::string(database)}});
  // Nobody listens any more when this returns.
  const bool is_over = world.client.has_ended;
  if (!is_over) {
    world.client.stream->shutdown();
    world.settle();
  }
  REQUIRE(pieces.size() >= 2);
  std::vector<std::string> out;
  for (size_t i = 2; i < pieces.size(); ++i) out.push_back(World::types(pieces[i]));
  return out;
}

std::string together(const std::vector<std::string>& pieces) {
  std::string out;
  for (const std::string& piece : pieces) out += piece;
  return out;
}

// The target is there for nobody.
void take_away(Snapshot& snapshot) { snapshot.policies = policies_for("nobody's", policy::Level::read); }

}  // namespace

TEST_CASE("a server connection that is at hand greets its client in one piece with AuthenticationOk") {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    PoolWorld world(seed);
    world.begin();
    world.give_back();
    CHECK(log_in_by_piece(world) == std::vector<std::string>{"RRSSKZ"});
    CHECK(world.counters().pool_hits.get() == 1);
  }
}

TEST_CASE(
    "a client whose server connection has to be made, or woken, is not kept waiting for AuthenticationOk") {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    {
      PoolWorld world(seed);
      CHECK(log_in_by_piece(world) == std::vector<std::string>{"RR"});
    }
    {
      World world(seed);
      CHECK(log_in_by_piece(world) == std::vector<std::string>{"RR"});
    }
    PoolWorld world(seed);
    world.begin();
    world.give_back();
    world.advance_to(pool_fresh_ms);
    CHECK(log_in_by_piece(world) == std::vector<std::string>{"RR"});
    CHECK(world.servers.back().got == naming_message("ringfence/ada"));
    world.send(world.servers.back(), naming_answer("ringfence/ada"));
    CHECK(world.servers.size() == 1);
  }
}

TEST_CASE(
    "a refusal stands behind AuthenticationOk and in one piece with it, whether there is such a target or "
    "not") {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    for (std::string_view database : {"shop", "none"}) {
      for (bool has_pool : {false, true}) {
        World world(seed, 0, [has_pool](Snapshot& snapshot) {
          take_away(snapshot);
          snapshot.targets["shop"].pool.max = has_pool ? 2 : 0;
        });
        CHECK(log_in_by_piece(world, database) == std::vector<std::string>{"RRE"});
        CHECK(world.error() ==
              "3D000 database \"" + std::string(database) + "\" is not available to user \"ada\"");
        CHECK(!world.server.stream);
      }
    }
  }
}

TEST_CASE(
    "whoever does not prove who he is gets no AuthenticationOk, though a server connection is at hand") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    PoolWorld world(seed);
    world.begin();
    world.give_back();
    CHECK(together(log_in_by_piece(world, "shop", "wrong")) == "E");
    CHECK(world.error() == "28P01 password authentication failed for user \"ada\"");
    CHECK(world.counters().pool_idle.get() == 1);
    CHECK(world.counters().pool_hits.get() == 0);
  }
}

TEST_CASE("a reload that takes access away keeps the next client from the connection that waits") {
  PoolWorld world;
  world.begin();
  world.give_back();
  auto next = std::make_shared<Snapshot>(*world.core->snapshot);
  ++next->generation;
  take_away(*next);
  world.core->use(next);
  CHECK(log_in_by_piece(world) == std::vector<std::string>{"RRE"});
  CHECK(world.counters().pool_hits.get() == 0);
  CHECK(world.servers.back().got.empty());
}

TEST_CASE("at a target's connections_max the refusal stands behind AuthenticationOk") {
  PoolWorld world(1, [](Target& target) { target.connections_max = 1; });
  world.begin();
  Peer first = std::move(world.client);
  CHECK(together(log_in_by_piece(world)) == "RRE");
  CHECK(world.error() == "53300 too many connections to database \"shop\"");
  CHECK(world.servers.size() == 1);
  first.stream->shutdown();
  world.settle();
}

TEST_CASE("a client that does not take AuthenticationOk in time costs no login at the server") {
  size_t without = 0;
  for (bool has_pool : {false, true}) {
    for (size_t steps = 0; steps < 40; ++steps) {
      World world(steps, 0, [has_pool](Snapshot& snapshot) {
        snapshot.limits.authentication_ms = 5'000;
        snapshot.targets["shop"].pool.max = has_pool ? 2 : 0;
      });
      world.connect();
      world.start({{"user", "ada"}, {"database", "shop"}});
      pg::ScramClient scram("clientnonce");
      std::string out;
      pg::append_sasl_initial_response(out, pg::scram_mechanism, scram.first());
      world.send(world.client, out);
      auto challenge = scram.take_challenge(World::last_body(world.client.got).substr(4));
      REQUIRE(challenge.has_value());
      out.clear();
      pg::append_sasl_response(
          out, scram.final(pg::derive_scram_keys("secret", challenge->salt, challenge->iterations)));
      ring::spawn(pour(world.client.stream.get(), out));
      // So far and no further until it is too late.
      for (size_t i = 0; i < steps && !world.server.stream; ++i) world.network.step();
      const bool was_in_time = world.server.stream != nullptr;
      world.advance_to(5'001);
      if (!was_in_time) {
        ++without;
        CHECK(!world.server.stream);
        CHECK(World::types(world.client.got) == "RR");
        CHECK(world.client.has_ended);
        CHECK(world.core->counters.limits_reached.get() == 1);
      }
    }
  }
  CHECK(without >= 4);
}

TEST_CASE("a client that does not take its greeting in time is hung up on") {
  size_t late = 0;
  for (size_t steps = 0; steps < 40; ++steps) {
    World world(steps, 0, [](Snapshot& snapshot) { snapshot.limits.authentication_ms = 5'000; });
    world.reach_server();
    ring::spawn(pour(world.server.stream.get(), World::welcome()));
    for (size_t i = 0; i < steps; ++i) world.network.step();
    if (world.core->counters.sessions_open.get() > 0) continue;
    const bool is_greeting = !world.space.events("postgres_connect").empty();
    world.advance_to(5'001);
    if (!is_greeting || world.core->counters.sessions_open.get() > 0) continue;
    ++late;
    CHECK(world.client.has_ended);
    CHECK(world.core->counters.limits_reached.get() == 1);
    REQUIRE(world.space.events("postgres_disconnect").size() == 1);
    CHECK((*world.space.events("postgres_disconnect")[0])[audit::Tag::reason] ==
          "the client did not take the greeting in time");
  }
  CHECK(late > 0);
}

TEST_CASE("a client that does not take its refusal in time is hung up on") {
  size_t late = 0;
  for (size_t steps = 0; steps < 40; ++steps) {
    World world(steps, 0, [](Snapshot& snapshot) { snapshot.limits.startup_ms = 1'000; });
    world.connect();
    pg::StartupMessage startup;
    startup.parameters = {{"database", "shop"}};  // Without a user.
    std::string out;
    pg::append_startup(out, startup);
    ring::spawn(pour(world.client.stream.get(), out));
    for (size_t i = 0; i < steps; ++i) world.network.step();
    world.advance_to(1'001);
    if (!world.client.got.empty()) continue;
    ++late;
    CHECK(world.client.has_ended);
    CHECK(world.core->counters.limits_reached.get() == 1);
  }
  CHECK(late > 0);
}
