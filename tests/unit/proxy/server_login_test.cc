// The login to the server behind a session: each way that a server asks for the password, refuses, answers
// nonsense or goes away.
#include "messages.h"
#include "ringfence/pg/frame.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

std::string sasl(std::initializer_list<std::string_view> mechanisms) {
  std::string out;
  pg::append_authentication_sasl(out, std::span(mechanisms.begin(), mechanisms.size()));
  return out;
}
std::string cleartext() {
  std::string out;
  pg::append_authentication_cleartext(out);
  return out;
}
std::string sasl_continue(ByteView data) {
  std::string out;
  pg::append_authentication_sasl_continue(out, data);
  return out;
}
std::string sasl_final(ByteView data) {
  std::string out;
  pg::append_authentication_sasl_final(out, data);
  return out;
}
std::string fatal_error(std::string_view sqlstate, std::string_view text) {
  std::string out;
  pg::append_error_response(
      out, {.severity = "FATAL", .sqlstate = sqlstate, .message = text, .hint = "their hint"});
  return out;
}

void check_is_in(World& world, std::string_view auth_method) {
  REQUIRE(World::types(world.client.got) == "RRRRSKZ");
  auto events = world.space.events("postgres_auth");
  REQUIRE(events.size() == 1);
  CHECK((*events[0])[Tag::metadata].find("\"server_auth_method\":\"" + std::string(auth_method) + "\"") !=
        std::string::npos);
  CHECK(world.space.events("postgres_auth_failed").empty());
  world.client.got.clear();
  world.server.got.clear();
  world.send(world.client, query("select 1"));
  CHECK(world.server.got == query("select 1"));
  world.send(world.server, answer());
  CHECK(world.client.got == answer());
}
// The client was told, the trail and the counter say so once, the server's connection is closed, the password
// nowhere.
void check_login_is_refused(World& world, std::string_view sqlstate, std::string_view reason) {
  REQUIRE(World::types(world.client.got) == "RRRRE");
  CHECK(world.error().starts_with(sqlstate));
  CHECK(world.server.has_ended);
  CHECK(world.core->counters.upstream_failures.get() == 1);
  CHECK(world.space.events("postgres_connect").empty());
  auto events = world.space.events("postgres_auth_failed");
  REQUIRE(events.size() == 1);
  CHECK((*events[0])[Tag::sqlstate] == sqlstate);
  std::string why = (*events[0])[Tag::reason];
  CHECK_MESSAGE(why.find(reason) != std::string::npos, why);
  CHECK(world.client.got.find(backend_password) == std::string::npos);
  for (const VectorSpace::Record& record : world.space.records) {
    for (const auto& [tag, value] : record.fields) CHECK(value.find(backend_password) == std::string::npos);
  }
}

// The server's half of SCRAM with this password, up to its word on the client's proof.
Result<std::string> prove(World& world, std::string_view password) {
  world.send(world.server, sasl({pg::scram_mechanism}));
  REQUIRE(World::types(world.server.got) == "p");
  auto initial = pg::parse_sasl_initial_response(World::last_body(world.server.got));
  REQUIRE(initial);
  CHECK(initial->mechanism == pg::scram_mechanism);
  pg::ScramServer scram(pg::make_scram_verifier(password, "fedcba9876543210", 4096), "servernonce");
  auto challenge = scram.challenge(*initial->data);
  REQUIRE(challenge);
  world.send(world.server, sasl_continue(*challenge));
  world.turn_until([&] { return World::types(world.server.got) == "pp"; });
  return scram.verify(World::last_body(world.server.got));
}

}  // namespace

TEST_CASE("a server that lets everybody in is recorded as trust") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, seed % 3);
    world.reach_server();
    world.send(world.server, World::welcome());
    check_is_in(world, "trust");
  }
}

TEST_CASE("a server that asks for the password in the clear gets the target's") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, seed % 3);
    world.reach_server();
    world.send(world.server, cleartext());
    std::string expected;
    pg::append_password(expected, backend_password);
    CHECK(world.server.got == expected);
    world.send(world.server, World::welcome());
    check_is_in(world, "cleartext");
  }
}

TEST_CASE("a server that asks for md5 gets the hash with its salt, and not the password") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, seed % 3);
    world.reach_server();
    std::string request;
    pg::append_authentication_md5(request, {'\x01', '\0', '\xff', 'z'});
    world.send(world.server, request);
    std::string expected;
    pg::append_password(expected,
                        pg::md5_password("app", backend_password, {'\x01', '\0', '\xff', 'z'}).value());
    CHECK(world.server.got == expected);
    world.send(world.server, World::welcome());
    check_is_in(world, "md5");
  }
}

TEST_CASE("a server that asks for SCRAM gets the proof and has to give its own") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, seed % 3, {}, 1);
    world.reach_server();
    auto final = prove(world, backend_password);
    REQUIRE(final);
    CHECK(world.server.got.find(backend_password) == std::string::npos);
    world.send(world.server, sasl_final(*final) + World::welcome());
    check_is_in(world, "scram-sha-256");
    CHECK(world.pg_shard->state().backend_keys.known().size() == 1);
  }
}

TEST_CASE("a server that knows another password than we is not believed, whatever it says") {
  SUBCASE("it refuses us") {
    World world(1, 0, {}, 1);
    world.reach_server();
    CHECK_FALSE(prove(world, "another"));
    world.send(world.server, fatal_error("28P01", "password authentication failed for user \"app\""));
    check_login_is_refused(world, "08000", "28P01 password authentication failed");
    // Whose credentials they were is no affair of the client's.
    CHECK(world.client.got.find("\"app\"") == std::string::npos);
  }
  SUBCASE("it signs with what it knows") {
    World world(1, 0, {}, 1);
    world.reach_server();
    CHECK_FALSE(prove(world, "another"));
    world.send(world.server, sasl_final("v=" + std::string(43, 'A') + "=") + World::welcome());
    check_login_is_refused(world, "08000", "");
  }
  SUBCASE("it skips its proof") {
    World world(1, 0, {}, 1);
    world.reach_server();
    REQUIRE(prove(world, backend_password));
    world.send(world.server, World::welcome());
    check_login_is_refused(world, "08000", "without proving that it knows the password");
  }
  SUBCASE("it asks for the password itself once it has seen the proof") {
    World world(1, 0, {}, 1);
    world.reach_server();
    REQUIRE(prove(world, backend_password));
    world.send(world.server, cleartext());
    check_login_is_refused(world, "08000", "changed its authentication method");
    CHECK(world.server.got.find(backend_password) == std::string::npos);
  }
}

TEST_CASE("without a worker to derive keys the login is refused and not left waiting") {
  World world;
  world.reach_server();
  world.send(world.server, sasl({pg::scram_mechanism}));
  auto initial = pg::parse_sasl_initial_response(World::last_body(world.server.got));
  REQUIRE(initial);
  pg::ScramServer scram(pg::make_scram_verifier("x", "fedcba9876543210", 4096), "servernonce");
  world.send(world.server, sasl_continue(scram.challenge(*initial->data).value()));
  check_login_is_refused(world, "08000", "too many key derivations");
}

TEST_CASE("what a server refuses for reasons of its own the client is told, hint and all") {
  for (std::string_view sqlstate : {"53300", "57P03", "3D000", "XX000"}) {
    World world;
    world.reach_server();
    world.send(world.server, fatal_error(sqlstate, "their words"));
    check_login_is_refused(world, sqlstate, "their words");
    CHECK(world.error().find("answered: their words") != std::string::npos);
    CHECK(world.client.got.find("their hint") != std::string::npos);
  }
}

TEST_CASE("a server that refuses the stored credentials is not quoted to the client") {
  for (std::string_view sqlstate : {"28000", "28P01"}) {
    World world;
    world.reach_server();
    world.send(world.server, cleartext());
    world.send(world.server, fatal_error(sqlstate, "no pg_hba.conf entry for user app"));
    check_login_is_refused(world, "08000", "no pg_hba.conf entry");
    CHECK(world.client.got.find("pg_hba") == std::string::npos);
  }
}

TEST_CASE("an error behind authentication still refuses the session") {
  World world;
  world.reach_server();
  std::string out;
  pg::append_authentication_ok(out);
  pg::append_parameter_status(out, "server_version", "15.1");
  world.send(world.server, out + fatal_error("53300", "sorry, too many clients already"));
  check_login_is_refused(world, "53300", "too many clients");
}

TEST_CASE("what is no login of a server's is refused at its first wrong message") {
  std::string many;
  pg::append_authentication_ok(many);
  for (int i = 0; i < 300; ++i) pg::append_parameter_status(many, "n" + std::to_string(i), "v");
  std::string ready;
  pg::append_ready_for_query(ready, 'I');
  struct Case {
    std::string bytes;
    std::string sqlstate;
    std::string reason;
  };
  const Case cases[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "08006", "bytes while logging in"},
      {std::string("R\0\0\0\3", 5), "08006", "a message of 3 bytes"},
      {"R\xff\xff\xff\xff", "08006", "bytes while logging in"},
      {message('R', "\0\0"), "08000", ""},
      {message('R', ByteView("\0\0\0\x07", 4)), "08000", "does not have"},  // GSSAPI
      {message('R', ByteView("\0\0\0\x63", 4)), "08000", ""},               // 99: no such thing.
      {message('R', ByteView("\0\0\0\5\1\2", 6)), "08000", ""},             // Half of a salt.
      {message('X', "what"), "08P01", "a message of type 'X'"},
      {message('D', ByteView("\0\0", 2)), "08P01", "a message of type 'D'"},
      {ready, "08P01", "ReadyForQuery before authentication"},
      {message('K', "12"), "08P01", ""},
      {sasl_continue("r=x,s=eA==,i=4096"), "08000", "SASLContinue without SASL"},
      {sasl_final("v=eA=="), "08000", "SASLFinal without SASL"},
      {sasl({"SCRAM-SHA-1", "OAUTHBEARER"}), "08000", "offers no SCRAM-SHA-256"},
      {sasl({pg::scram_mechanism}) + sasl({pg::scram_mechanism}), "08000", "began SASL twice"},
      {sasl({pg::scram_mechanism}) + sasl_continue("nonsense"), "08000", ""},
      {sasl({pg::scram_mechanism}) + sasl_continue("r=another,s=eA==,i=4096"), "08000", ""},
      {sasl({pg::scram_mechanism, pg::scram_plus_mechanism}), "08000",
       "channel binding on a connection without TLS"},
      {many, "08P01", "too many messages"},
  };
  for (const Case& wrong : cases) {
    for (size_t piece : {0, 1}) {
      CAPTURE(wrong.bytes);
      World world(1, piece);
      world.reach_server();
      world.send(world.server, wrong.bytes);
      check_login_is_refused(world, wrong.sqlstate, wrong.reason);
    }
  }
}

TEST_CASE("a server that closes after any byte of its login leaves the client an error and no session") {
  std::string script = cleartext() + World::welcome();
  for (size_t cut = 0; cut < script.size(); ++cut) {
    CAPTURE(cut);
    World world(cut + 1, cut % 4);
    world.reach_server();
    if (cut > 0) world.send(world.server, script.substr(0, cut));
    CHECK_FALSE(world.server.has_ended);
    world.server.stream->shutdown();
    world.settle();
    check_login_is_refused(world, "08006", "");
  }
}

TEST_CASE("bytes behind the server's ReadyForQuery reach the client behind the greeting") {
  World world;
  world.reach_server();
  std::string notice;
  pg::append_notice_response(notice, {.severity = "WARNING", .sqlstate = "01000", .message = "early"});
  world.send(world.server, World::welcome() + notice);
  CHECK(World::types(world.client.got) == "RRRRSKZN");
}

TEST_CASE("the server's cancel key stays inside, and what it says of itself goes on, its process id too") {
  World world;
  world.reach_server();
  world.send(world.server, World::welcome());
  REQUIRE(World::types(world.client.got) == "RRRRSKZ");
  CHECK(world.client.got.find("key!") == std::string::npos);
  CHECK(key_of(world.client.got).process_id == 77);
  CHECK(key_of(world.client.got).key.size() == 4);
  std::string status;
  pg::append_parameter_status(status, "server_version", "15.1");
  CHECK(world.client.got.find(status) != std::string::npos);
}

TEST_CASE("a server that gives no cancel key leaves its client without one") {
  World world;
  world.reach_server();
  std::string out;
  pg::append_authentication_ok(out);
  pg::append_ready_for_query(out, 'I');
  world.send(world.server, out);
  CHECK(World::types(world.client.got) == "RRRRZ");
}

TEST_CASE("a client that closes after any byte of its login leaves nothing open behind it") {
  pg::StartupMessage startup;
  startup.parameters = {{"user", "ada"}, {"database", "shop"}};
  // How far it comes is a number of bytes, whichever message they belong to.
  bool came_through = false;
  for (size_t budget = 0; !came_through; ++budget) {
    CAPTURE(budget);
    REQUIRE(budget < 1'000);
    World world(budget + 1, budget % 4);
    world.connect();
    size_t left = budget;
    auto pay = [&](const std::string& bytes) {
      size_t size = std::min(left, bytes.size());
      left -= size;
      if (size > 0) world.send(world.client, bytes.substr(0, size));
      return size == bytes.size();
    };
    pg::ScramClient scram("clientnonce");
    std::string packet, first;
    pg::append_startup(packet, startup);
    pg::append_sasl_initial_response(first, pg::scram_mechanism, scram.first());
    if (pay(packet) && pay(first)) {
      auto challenge = scram.take_challenge(World::last_body(world.client.got).substr(4));
      REQUIRE(challenge);
      static const pg::ScramKeys keys =
          pg::derive_scram_keys("secret", challenge->salt, challenge->iterations);
      std::string final;
      pg::append_sasl_response(final, scram.final(keys));
      came_through = pay(final);
    }
    CHECK((world.server.stream != nullptr) == came_through);
    world.client.stream->shutdown();
    world.settle();
    if (came_through) {
      // It is noticed when the server has answered: nothing was sent to it but the startup packet.
      world.send(world.server, World::welcome());
      CHECK(world.server.has_ended);
      world.server.stream->shutdown();
      world.settle();
    }
    CHECK(world.core->is_drained());
    CHECK(world.core->load() == 0);
    CHECK(world.core->counters.connections_open.get() == 0);
  }
}
