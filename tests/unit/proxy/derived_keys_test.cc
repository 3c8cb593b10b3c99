// What a SCRAM login derives from a password is derived once: at the server's side for each salt, at the
// client's side never, for the verifier is all that there is.
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

// The server's half of a login; `salt` is what it keeps for our user.
void let_in_by_scram(World& world, std::string_view salt) {
  std::string request;
  const std::string_view mechanisms[] = {pg::scram_mechanism};
  pg::append_authentication_sasl(request, mechanisms);
  world.send(world.server, request);
  REQUIRE(World::types(world.server.got) == "p");
  auto initial = pg::parse_sasl_initial_response(World::last_body(world.server.got));
  REQUIRE(initial);
  pg::ScramServer scram(pg::make_scram_verifier(backend_password, salt, 4096), "servernonce");
  auto challenge = scram.challenge(*initial->data);
  REQUIRE(challenge);
  std::string next;
  pg::append_authentication_sasl_continue(next, *challenge);
  world.send(world.server, next);
  world.turn_until([&] { return World::types(world.server.got) == "pp"; });
  auto final = scram.verify(World::last_body(world.server.got));
  REQUIRE(final);
  std::string out;
  pg::append_authentication_sasl_final(out, *final);
  world.send(world.server, out + World::welcome());
  REQUIRE(World::types(world.client.got) == "RRRRSKZ");
}

void leave(World& world) {
  world.client.stream->shutdown();
  world.settle();
  world.server.stream->shutdown();
  world.settle();
  world.client = Peer{};
  world.server = Peer{};
}

}  // namespace

TEST_CASE("the keys for a server's salt are derived once, however often its user logs in") {
  World world(1, 0, {}, 2);
  for (int i = 0; i < 5; ++i) {
    world.reach_server();
    let_in_by_scram(world, "fedcba9876543210");
    leave(world);
  }
  CHECK(world.core->counters.key_derivations.get() == 1);
}

TEST_CASE("a server that changed its salt has other keys derived, and both are remembered") {
  World world(2, 0, {}, 2);
  for (const char* salt : {"fedcba9876543210", "0123456789abcdef", "fedcba9876543210", "0123456789abcdef"}) {
    world.reach_server();
    let_in_by_scram(world, salt);
    leave(world);
  }
  CHECK(world.core->counters.key_derivations.get() == 2);
}

TEST_CASE("what is remembered of a password is neither it nor its name") {
  World world(3, 0, {}, 2);
  world.reach_server();
  let_in_by_scram(world, "fedcba9876543210");
  REQUIRE(world.pg_shard->state().backend_keys.known().size() == 1);
  for (const auto& [name, keys] : world.pg_shard->state().backend_keys.known()) {
    CHECK(name.find(backend_password) == std::string::npos);
    CHECK(crypto::view_of(keys.client_key).find(backend_password) == std::string::npos);
  }
  CHECK_FALSE(world.pg_shard->state().backend_keys.is_deriving());
}

TEST_CASE("a client's login derives nothing: the verifier is all that is kept") {
  // Nobody could: there is no worker, and the server trusts.
  World world(4);
  for (int i = 0; i < 3; ++i) {
    world.reach_server();
    world.send(world.server, World::welcome());
    REQUIRE(World::types(world.client.got) == "RRRRSKZ");
    leave(world);
  }
  CHECK(world.core->counters.key_derivations.get() == 0);
}
