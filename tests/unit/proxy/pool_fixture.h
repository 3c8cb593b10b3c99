// Sessions whose target has a pool: each connection to the server is a peer of its own.
#pragma once

#include <list>

#include "proxy/pg/warm_pool.h"
#include "session_fixture.h"

namespace ringfence::proxy {

inline std::string naming_answer(std::string_view name) {
  std::string out;
  pg::append_command_complete(out, "SET");
  pg::append_parameter_status(out, "application_name", name);
  pg::append_ready_for_query(out, 'I');
  return out;
}
inline std::string reset_answer() {
  std::string out;
  pg::append_parameter_status(out, "application_name", warm_application_name);
  pg::append_command_complete(out, "DISCARD ALL");
  pg::append_ready_for_query(out, 'I');
  pg::append_command_complete(out, "RESET");
  pg::append_command_complete(out, "SET");
  pg::append_ready_for_query(out, 'I');
  return out;
}
inline std::string terminate() {
  std::string out;
  pg::append_terminate(out);
  return out;
}

// Each connection to the server is a peer of its own.
struct PoolWorld : World {
  explicit PoolWorld(uint64_t seed = 1, std::function<void(Target&)> change = {}, uint64_t idle_ms = 0)
      : World(seed, 0, [change, idle_ms](Snapshot& snapshot) {
          snapshot.limits.idle_ms = idle_ms;
          Target& target = snapshot.targets["shop"];
          target.pool.max = 2;
          if (change) change(target);
        }) {
    pg_shard->state().dial = [this](const Target&) { return dial_one(); };
  }
  ~PoolWorld() {
    core->drain();
    for (Peer& one : servers) one.stream->shutdown();
    if (client.stream) client.stream->shutdown();
    settle();
    CHECK(pg_shard->pooled() == 0);
  }
  ring::Task<Result<Dialled>> dial_one() {
    auto pair = network.make_pair(pieces);
    Peer& one = servers.emplace_back();
    one.stream = std::move(pair.right);
    ring::spawn(listen_to(&one));
    Dialled dialled{std::move(pair.left), {}};
    co_return std::move(dialled);
  }
  static std::string pool_welcome() {
    std::string out;
    pg::append_authentication_ok(out);
    pg::append_parameter_status(out, "server_version", "15.1");
    pg::append_parameter_status(out, "application_name", warm_application_name);
    pg::append_backend_key_data(out, 77, "key!");
    pg::append_ready_for_query(out, 'I');
    return out;
  }
  // A session over a connection that is made for it.
  void begin() {
    connect();
    authenticate("ada", "secret");
    send(servers.back(), pool_welcome());
    REQUIRE(types(client.got) == "RRRRSSKZ");
    forget();
  }
  // Over one that waits, if there is any.
  void begin_again() {
    client = Peer{};
    connect();
    authenticate("ada", "secret");
  }
  // A session's first statement: the connection's name goes with it.
  void run_first(std::string_view text) {
    forget();
    send(client, query(text));
    CHECK(servers.back().got == naming_message("ringfence/ada") + query(text));
    send(servers.back(), naming_answer("ringfence/ada") + answer());
    CHECK(client.got == answer());
    forget();
  }
  void forget() {
    client.got.clear();
    for (Peer& one : servers) one.got.clear();
  }
  // The client ends; the server has not answered.
  void end_client() {
    send(client, terminate());
    client.stream->shutdown();
    settle();
  }
  void give_back() {
    end_client();
    CHECK(types(servers.back().got) == "QQ");
    send(servers.back(), reset_answer());
    REQUIRE(counters().pool_idle.get() == 1);
    forget();
  }
  const ShardCounters& counters() const { return core->counters; }

  std::list<Peer> servers;
};

}  // namespace ringfence::proxy
