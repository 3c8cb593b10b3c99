// Whole sessions over in-memory streams: a scripted client, a scripted server, deliveries in an order and in pieces
// that a seed decides.
#include <doctest/doctest.h>

#include "proxy/pg_shard_state.h"
#include "ringfence/net/memory_stream.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/startup.h"
#include "ringfence/proxy/pg_shard.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

ring::Task<void> pour(net::Stream* stream, std::string bytes) {
  net::Send sending(*stream, bytes);
  Result<void> sent = co_await sending;
}
struct Peer {
  std::unique_ptr<net::Stream> stream;
  std::string got;
  bool has_ended = false;
};
ring::Task<void> listen_to(Peer* peer) {
  for (;;) {
    net::Receive receive(*peer->stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    peer->got.append(chunk->bytes());
  }
  peer->has_ended = true;
}

struct World {
  explicit World(uint64_t seed, size_t piece_max) : network(seed), pieces(piece_max) {
    auto made = std::make_shared<Snapshot>();
    made->mock_secret = "mock";
    made->users["ada"] = {"ada", pg::make_scram_verifier("secret", "0123456789abcdef", 4096)};
    Target target;
    target.name = "shop";
    target.database = "shop_db";
    target.user = "app";
    target.password = "pw";
    made->targets["shop"] = target;
    pg_shard.emplace(PgShard::Options{}, shard, space, workers, made);
    pg_shard->state().dial = [this](const Target&) { return dial(); };
  }
  ~World() {
    if (client.stream) client.stream->shutdown();
    if (server.stream) server.stream->shutdown();
    settle();
    CHECK(pg_shard->is_drained());
  }
  ring::Task<Result<Dialled>> dial() {
    auto pair = network.make_pair(pieces);
    server.stream = std::move(pair.right);
    ring::spawn(listen_to(&server));
    Dialled dialled{std::move(pair.left), {}};
    co_return std::move(dialled);
  }
  void connect() {
    auto pair = network.make_pair(pieces);
    client.stream = std::move(pair.right);
    pg_shard->adopt(std::move(pair.left), listener);
    ring::spawn(listen_to(&client));
  }
  void settle() { REQUIRE(network.run()); }
  void send(Peer& from, std::string bytes) {
    ring::spawn(pour(from.stream.get(), std::move(bytes)));
    settle();
  }
  void start(std::vector<pg::StartupParameter> parameters) {
    pg::StartupMessage startup;
    startup.parameters = std::move(parameters);
    std::string out;
    pg::append_startup(out, startup);
    send(client, out);
  }
  // The types of the whole messages that came.
  static std::string types(std::string_view bytes) {
    std::string out;
    for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) out += bytes[at];
    return out;
  }
  static ByteView last_body(std::string_view bytes) {
    ByteView body;
    for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) {
      body = bytes.substr(at + 5, detail::load_be<uint32_t>(bytes.data() + at + 1) - 4);
    }
    return body;
  }
  // Up to AuthenticationOk or the refusal.
  void authenticate(std::string_view user, std::string_view password) {
    start({{"user", std::string(user)}, {"database", "shop"}});
    REQUIRE(types(client.got) == "R");
    pg::ScramClient scram("clientnonce");
    std::string out;
    pg::append_sasl_initial_response(out, pg::scram_mechanism, scram.first());
    send(client, out);
    REQUIRE(types(client.got) == "RR");
    auto challenge = scram.take_challenge(last_body(client.got).substr(4));
    REQUIRE(challenge.has_value());
    out.clear();
    pg::append_sasl_response(out, scram.final(pg::derive_scram_keys(password, challenge->salt, challenge->iterations)));
    send(client, out);
  }
  void log_in() {
    authenticate("ada", "secret");
    REQUIRE(server.stream);
    std::string out;
    pg::append_authentication_ok(out);
    pg::append_parameter_status(out, "server_version", "15.1");
    pg::append_backend_key_data(out, 77, "key!");
    pg::append_ready_for_query(out, 'I');
    send(server, out);
    REQUIRE(types(client.got) == "RRRRSKZ");
    client.got.clear();
    server.got.clear();
  }
  std::string error() const {
    auto fields = pg::parse_error_fields(last_body(client.got));
    return fields ? std::string(fields->sqlstate) + " " + std::string(fields->message) : "none";
  }

  net::MemoryNetwork network;
  size_t pieces;
  ring::Shard shard{ring::ShardOptions{}};  // Not started: its timers only.
  ring::Workers workers{0, 0};
  VectorSpace space;
  std::shared_ptr<ListenerFacts> listener = std::make_shared<ListenerFacts>();
  Peer client;
  Peer server;
  std::optional<PgShard> pg_shard;
};

std::string query(std::string_view text) {
  std::string out;
  pg::append_query(out, text);
  return out;
}
std::string answer() {
  std::string out;
  pg::append_command_complete(out, "SELECT 1");
  pg::append_ready_for_query(out, 'I');
  return out;
}

}  // namespace

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
    CHECK(world.pg_shard->load() == 0);
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

TEST_CASE("an operator ends a session, and draining ends those that are idle") {
  for (bool drains : {false, true}) {
    World world(1, 0);
    world.connect();
    world.log_in();
    if (drains) world.pg_shard->drain();
    else world.pg_shard->end(world.pg_shard->list().at(0).id, {"57P01", "by the operator", ""});
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
  world.pg_shard->drain();
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
  world.shard.timers().run(11'000'000'000);
  world.settle();
  CHECK(world.server.got.empty());
  CHECK(world.error().starts_with("58030"));
  world.space.is_full = false;
  world.pg_shard->trail_has_room();
  CHECK(world.space.events("postgres_disconnect").size() == 1);
}

TEST_CASE("room that comes in time lets the statement through") {
  World world(1, 0);
  world.connect();
  world.log_in();
  world.space.is_full = true;
  world.send(world.client, query("select 1"));
  world.space.is_full = false;
  world.pg_shard->trail_has_room();
  world.settle();
  CHECK(world.server.got == query("select 1"));
}
