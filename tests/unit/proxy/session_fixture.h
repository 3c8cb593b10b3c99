// A whole session over in-memory streams: a scripted client, a scripted server, deliveries in an order and in
// pieces that a seed decides, and a clock that stands still unless it is told.
#pragma once

#include <doctest/doctest.h>

#include "access_fixture.h"

#include <chrono>
#include <functional>
#include <thread>

#include "messages.h"
#include "proxy/pg/pg_shard_state.h"
#include "ringfence/net/memory_stream.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/startup.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "vector_space.h"

namespace ringfence::proxy {

inline ring::Task<void> pour(net::Stream* stream, std::string bytes) {
  net::Send sending(*stream, bytes);
  Result<void> sent = co_await sending;
}
struct Peer {
  std::unique_ptr<net::Stream> stream;
  std::string got;
  bool has_ended = false;
};
inline ring::Task<void> listen_to(Peer* peer) {
  for (;;) {
    net::Receive receive(*peer->stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    peer->got.append(chunk->bytes());
  }
  peer->has_ended = true;
}

// What a server does with a cancel request: reads it and closes.
inline ring::Task<void> take_cancel(std::unique_ptr<net::Stream> stream, std::string* cancels) {
  net::Receive receive(*stream);
  Result<net::Chunk> chunk = co_await receive;
  if (chunk) cancels->append(chunk->bytes());
  stream->shutdown();
}

constexpr std::string_view backend_password = "Backend-Secret";

struct World {
  // `change` has the last word on the snapshot. Without `worker_threads` what needs a worker fails at once.
  // `sync`: what durability `disk` calls; empty: durability `process`.
  explicit World(uint64_t seed = 1, size_t piece_max = 0, std::function<void(Snapshot&)> change = {},
                 unsigned worker_threads = 0, std::function<Result<void>()> sync = {})
      : network(seed), pieces(piece_max), workers(worker_threads, worker_threads * 4) {
    auto made = std::make_shared<Snapshot>();
    made->mock_secret = "mock";
    made->policies = everything_for_everybody();
    made->limits.volume_per_user = made->limits.volume_per_address = {};  // No bound.
    static const pg::ScramVerifier verifier = pg::make_scram_verifier("secret", "0123456789abcdef", 4096);
    made->users["ada"] = {{"ada", {}, {}}, verifier};
    Target target;
    target.name = "shop";
    target.database = "shop_db";
    target.user = "app";
    target.password = backend_password;
    target.attribution_witness = AttributionWitness::report;
    made->targets["shop"] = target;
    if (change) change(*made);
    ShardCore::Options options;
    options.sync = std::move(sync);
    core.emplace(options, shard, space, workers, made);
    pg_shard.emplace(*core);
    pg_shard->state().dial = [this](const Target&) { return dial(); };
    pg_shard->state().dial_place = [this](const ServerPlace&) { return dial_for_cancel(); };
  }
  ~World() {
    if (client.stream) client.stream->shutdown();
    if (server.stream) server.stream->shutdown();
    settle();
    CHECK(core->is_drained());
  }
  ring::Task<Result<Dialled>> dial() {
    auto pair = network.make_pair(pieces);
    server.stream = std::move(pair.right);
    ring::spawn(listen_to(&server));
    Dialled dialled{std::move(pair.left), {}};
    co_return std::move(dialled);
  }
  ring::Task<Result<Dialled>> dial_for_cancel() {
    auto pair = network.make_pair(0);
    ring::spawn(take_cancel(std::move(pair.right), &cancels));
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
  // It is so late now; what is due has happened.
  void advance_to(uint64_t ms) {
    shard.turn_at(ms * 1'000'000);
    settle();
  }
  // Turns of the loop at the same time, until `is_done`: for what comes back from a worker.
  template <typename F>
  void turn_until(F is_done) {
    for (int i = 0; i < 20'000 && !is_done(); ++i) {
      shard.turn_at(shard.now_ns());
      settle();
      if (!is_done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(is_done());
  }
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
    for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1))
      out += bytes[at];
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
    authenticate(password, {{"user", std::string(user)}, {"database", "shop"}});
  }
  void authenticate(std::string_view password, std::vector<pg::StartupParameter> parameters) {
    start(std::move(parameters));
    REQUIRE(types(client.got) == "R");
    pg::ScramClient scram("clientnonce");
    std::string out;
    pg::append_sasl_initial_response(out, pg::scram_mechanism, scram.first());
    send(client, out);
    REQUIRE(types(client.got) == "RR");
    auto challenge = scram.take_challenge(last_body(client.got).substr(4));
    REQUIRE(challenge.has_value());
    out.clear();
    pg::append_sasl_response(
        out, scram.final(pg::derive_scram_keys(password, challenge->salt, challenge->iterations)));
    send(client, out);
  }
  // What a server says that lets us in.
  static std::string welcome() {
    std::string out;
    pg::append_authentication_ok(out);
    pg::append_parameter_status(out, "server_version", "15.1");
    pg::append_backend_key_data(out, 77, "key!");
    pg::append_ready_for_query(out, 'I');
    return out;
  }
  // Up to where the server has our startup packet and has not answered.
  void reach_server() {
    connect();
    authenticate("ada", "secret");
    REQUIRE(types(client.got) == "RRRR");
    REQUIRE(server.stream);
    server.got.clear();
  }
  void log_in() {
    authenticate("ada", "secret");
    REQUIRE(server.stream);
    send(server, welcome());
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
  ring::Workers workers;
  VectorSpace space;
  std::shared_ptr<ListenerFacts> listener = std::make_shared<ListenerFacts>();
  Peer client;
  Peer server;
  std::string cancels;  // Requests that went to the server.
  std::optional<ShardCore> core;
  std::optional<PgShard> pg_shard;
};

inline std::string answer() {
  std::string out;
  pg::append_command_complete(out, "SELECT 1");
  pg::append_ready_for_query(out, 'I');
  return out;
}

}  // namespace ringfence::proxy
