// What is refused before a session begins, and that no server is dialled for it.
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

std::string packet(uint32_t code, std::string_view body) {
  std::string out;
  Writer(out).u32(static_cast<uint32_t>(8 + body.size())).u32(code);
  return out + std::string(body);
}
void check_startup_is_refused(World& world, std::string_view sqlstate, std::string_view text) {
  REQUIRE(!world.client.got.empty());
  CHECK_MESSAGE(world.error().starts_with(sqlstate), world.error());
  CHECK_MESSAGE(world.error().find(text) != std::string::npos, world.error());
  CHECK_FALSE(world.server.stream);
  CHECK(world.client.has_ended);
  CHECK(world.space.events("postgres_connect").empty());
}
void check_first_packet(const std::string& bytes, std::string_view sqlstate, std::string_view text) {
  for (size_t piece : {0, 1, 7}) {
    CAPTURE(bytes);
    World world(1, piece);
    world.connect();
    world.send(world.client, bytes);
    CHECK(World::types(world.client.got) == "E");
    check_startup_is_refused(world, sqlstate, text);
  }
}

// The client's login with these parameters, up to what it is told.
void log_in_with(World& world, std::vector<pg::StartupParameter> parameters) {
  world.connect();
  world.authenticate("secret", std::move(parameters));
}

}  // namespace

TEST_CASE("a startup packet without a user is refused before anything is asked") {
  check_first_packet(packet(196'608, std::string("database\0shop\0\0", 15)), "28000", "no user name");
  check_first_packet(packet(196'608, std::string("\0", 1)), "28000", "no user name");
  check_first_packet(packet(196'608, std::string("user\0\0\0", 7)), "28000", "no user name");
}

TEST_CASE("other major versions of the protocol are refused by their number") {
  check_first_packet(packet(2u << 16, std::string(288, '\0')), "0A000", "unsupported frontend protocol 2.0");
  check_first_packet(packet(4u << 16, std::string("user\0ada\0\0", 10)), "0A000",
                     "unsupported frontend protocol 4.0");
  check_first_packet(packet(0, std::string("user\0ada\0\0", 10)), "0A000",
                     "unsupported frontend protocol 0.0");
}

TEST_CASE("a first packet whose length cannot be one is answered by closing, without a byte") {
  std::string length;
  Writer(length).u32(4 + pg::startup_length_max + 1);
  for (const std::string& bytes : {length, std::string("\xff\xff\xff\xff"), std::string("\0\0\0\7", 4),
                                   std::string(4, '\0'), std::string("GET / HTTP/1.1\r\n\r\n")}) {
    for (size_t piece : {0, 1, 7}) {
      CAPTURE(bytes);
      World world(1, piece);
      world.connect();
      world.send(world.client, bytes);
      CHECK(world.client.got.empty());
      CHECK(world.client.has_ended);
      CHECK_FALSE(world.server.stream);
      CHECK(world.space.events("postgres_connect").empty());
    }
  }
}

TEST_CASE("the longest startup packet is read, and one that is malformed inside is refused") {
  std::string body("user\0ada\0database\0shop\0application_name\0", 40);
  body += std::string(pg::startup_length_max - 4 - body.size() - 2, 'x') + std::string(2, '\0');
  World world;
  world.connect();
  world.send(world.client, packet(196'608, body));
  CHECK(World::types(world.client.got) == "R");
  check_first_packet(packet(196'608, "user"), "08P01", "");
  check_first_packet(packet(196'608, std::string("user\0ada\0", 9)), "08P01", "");
  check_first_packet(packet(196'608, std::string("user\0ada\0\0more", 14)), "08P01", "");
}

TEST_CASE("a client that only asks for encryption again and again is refused") {
  World world;
  world.connect();
  std::string ask;
  pg::append_ssl_request(ask);
  for (int i = 0; i < negotiations_max; ++i) world.send(world.client, ask);
  CHECK(world.client.got.substr(0, negotiations_max) == std::string(negotiations_max, 'N'));
  world.client.got.erase(0, negotiations_max);
  check_startup_is_refused(world, "08P01", "too many negotiation requests");
}

TEST_CASE("a database that is no target's is refused by its name, and only to whom has logged in") {
  World world;
  log_in_with(world, {{"user", "ada"}, {"database", "books"}});
  CHECK(World::types(world.client.got) == "RRRRE");
  check_startup_is_refused(world, "3D000", "database \"books\" is not available to user \"ada\"");
  auto denied = world.space.events("access_denied");
  REQUIRE(denied.size() == 1);
  CHECK((*denied[0])[Tag::reason] == "no such target");
  CHECK((*denied[0])[Tag::database] == "books");
}

TEST_CASE("without a database the user's name is taken for one, as PostgreSQL does") {
  World world;
  log_in_with(world, {{"user", "ada"}});
  check_startup_is_refused(world, "3D000", "database \"ada\"");
}

TEST_CASE("what no setting is, and what the appliance does not speak, is refused by name") {
  struct {
    pg::StartupParameter parameter;
    std::string sqlstate;
    std::string message;
  } const cases[] = {
      {{"replication", "true"}, "42501", "startup parameter \"replication\" is not allowed"},
      {{"replication", "Y"}, "42501", "startup parameter \"replication\" is not allowed"},
      {{"replication", "database"}, "42501", "startup parameter \"replication\" is not allowed"},
      {{"replication", "o"}, "22023", "invalid value for parameter \"replication\": \"o\""},
      {{"replication", ""}, "22023", "invalid value for parameter \"replication\": \"\""},
      {{"replication", "Database"}, "22023", "invalid value for parameter \"replication\": \"Database\""},
      {{"options", "-P"}, "42501", "startup parameter \"options: -P\" is not allowed"},
      {{"options", "-c geqo"}, "42501", "startup parameter \"options: geqo\" is not allowed"},
      {{"options", "-c user=postgres"}, "42704", "unrecognized configuration parameter \"user\""},
      {{"options", "-c Database=postgres"}, "42704", "unrecognized configuration parameter \"Database\""},
      {{"options", "-c replication=database"},
       "42704",
       "unrecognized configuration parameter \"replication\""},
      {{"options", "-c options=-P"}, "42704", "unrecognized configuration parameter \"options\""},
      {{"options", "-c _pq_.x=1"}, "42704", "unrecognized configuration parameter \"_pq_.x\""},
      {{"options", "-c =1"}, "42704", "unrecognized configuration parameter \"\""},
      {{"USER", "postgres"}, "42704", "unrecognized configuration parameter \"USER\""},
      {{"Database", "postgres"}, "42704", "unrecognized configuration parameter \"Database\""},
      {{"Options", "-P"}, "42704", "unrecognized configuration parameter \"Options\""},
      {{"Search-Path", "a"}, "42704", "unrecognized configuration parameter \"Search-Path\""},
  };
  for (const auto& one : cases) {
    CAPTURE(one.message);
    World world;
    log_in_with(world, {{"user", "ada"}, {"database", "shop"}, one.parameter});
    check_startup_is_refused(world, one.sqlstate, one.message);
  }
}

TEST_CASE("allowed startup parameters reach the server, with the target's user and database") {
  World world;
  log_in_with(world, {{"user", "ada"},
                      {"database", "shop"},
                      {"application_name", "psql"},
                      {"search_path", "a, b"},
                      {"replication", "off"},
                      {"options", "-c statement_timeout=5s --lock-timeout=1s"}});
  REQUIRE(world.server.stream);
  auto first = pg::parse_first_packet(world.server.got);
  REQUIRE(first);
  const pg::StartupMessage& sent = first->startup;
  CHECK(sent.user() == "app");
  CHECK(sent.database() == "shop_db");
  CHECK(sent.application_name() == "ringfence/ada: psql");
  CHECK(sent.find("search_path") == "a, b");
  CHECK(sent.find("statement_timeout") == "5s");
  CHECK(sent.find("lock_timeout") == "1s");
  CHECK_FALSE(sent.find("replication"));
  CHECK_FALSE(sent.find("options"));
}

TEST_CASE("a shard that drains takes no session") {
  World world;
  world.core->drain();
  world.connect();
  world.start({{"user", "ada"}, {"database", "shop"}});
  check_startup_is_refused(world, "57P03", "shutting down");
}

TEST_CASE("one connection more than each bound allows is refused, and the hint names the bound") {
  SUBCASE("of the appliance") {
    World world(1, 0, [](Snapshot& snapshot) { snapshot.limits.connections_max = 0; });
    world.connect();
    world.start({{"user", "ada"}, {"database", "shop"}});
    check_startup_is_refused(world, "53300", "too many connections");
    CHECK(world.client.got.find("limits.connections_max") != std::string::npos);
    CHECK(world.core->counters.connections_refused.get() == 1);
  }
  SUBCASE("of the listener") {
    World world;
    world.listener->connections_max = 1;
    world.listener->connections = 1;
    world.connect();
    world.start({{"user", "ada"}, {"database", "shop"}});
    check_startup_is_refused(world, "53300", "too many connections");
    CHECK(world.client.got.find("connections_max of the listener") != std::string::npos);
    world.client.stream->shutdown();
    world.settle();
    CHECK(world.listener->connections == 1);
  }
  SUBCASE("of the target") {
    std::shared_ptr<std::atomic<uint32_t>> sessions;
    World world(1, 0, [&](Snapshot& snapshot) {
      snapshot.targets["shop"].connections_max = 2;
      sessions = snapshot.targets["shop"].sessions;
    });
    *sessions = 2;
    log_in_with(world, {{"user", "ada"}, {"database", "shop"}});
    check_startup_is_refused(world, "53300", "too many connections to database \"shop\"");
    world.client.stream->shutdown();
    world.settle();
    CHECK(*sessions == 2);
  }
}

TEST_CASE("without room in the trail nobody is let in") {
  World world;
  world.space.is_full = true;
  world.connect();
  world.start({{"user", "ada"}, {"database", "shop"}});
  CHECK(world.client.got.empty());
  world.advance_to(trail_wait_ms);
  CHECK(World::types(world.client.got) == "E");
  CHECK(world.error().starts_with("58030"));
  CHECK_FALSE(world.server.stream);
  CHECK(world.core->counters.trail_refusals.get() == 1);
}

TEST_CASE("a client that answers the SASL request with something else is refused") {
  const std::string wrong[] = {query("select 1"),
                               std::string("p\0\0\0\4", 5),
                               std::string("p\0\0\0\3", 5),
                               "p\xff\xff\xff\xff",
                               [] {
                                 std::string out;
                                 pg::append_password(out, "secret");
                                 return out;
                               }(),
                               [] {
                                 std::string out;
                                 pg::append_sasl_initial_response(out, pg::scram_plus_mechanism,
                                                                  "p=tls-server-end-point,,n=,r=x");
                                 return out;
                               }()};
  for (const std::string& bytes : wrong) {
    CAPTURE(bytes);
    World world;
    world.connect();
    world.start({{"user", "ada"}, {"database", "shop"}});
    world.send(world.client, bytes);
    CHECK(World::types(world.client.got) == "RE");
    check_startup_is_refused(world, "08P01", "");
  }
}
