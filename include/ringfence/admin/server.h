// The admin API over HTTP: health, metrics, statistics, sessions.
//
// Lives on one shard and is used on its thread only. Each connection is one coroutine; every wait has a
// deadline. The server is destroyed after stop() has called back.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "ringfence/admin/sources.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/http/request.h"
#include "ringfence/http/response.h"
#include "ringfence/net/listener.h"
#include "ringfence/net/stream.h"
#include "ringfence/net/tls_stream.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

class Routes;

struct AdminOptions {
  // Of the token. Digests are compared, so neither the token's length nor its contents show in the time.
  crypto::Digest token_digest{};
  bool metrics_public = false;  // /metrics without the token.
  std::string node;

  size_t connections_max = 256;  // A person's browser and a few scrapers need dozens.
  uint64_t header_ms = 10'000;   // From a request's first byte, or the connection's begin, to the head's end.
  uint64_t body_ms = 30'000;     // For its body, and for the client to take the response.
  uint64_t idle_ms = 60'000;     // Between requests.
  uint64_t answer_ms = 2'000;    // For what other shards have to say.
  uint64_t explain_ms =
      20'000;                  // For large statements, which take a second each, one question after another.
  uint64_t linger_ms = 1'000;  // After a refusal, for the client to read it.
};

struct AdminCounters {
  uint64_t requests = 0;
  uint64_t responses_by_class[6] = {};  // [2] is 2xx.
  uint64_t authentication_failures = 0;
  uint64_t connections_refused = 0;
  uint64_t answers_late = 0;
  uint64_t tls_handshakes = 0;
  uint64_t tls_resumed = 0;
  std::array<uint64_t, net::tls_failures> tls_failures{};
  net::TlsLegs tls_legs;
};

class AdminServer {
 public:
  AdminServer(ring::Shard& shard, AdminOptions options, Sources sources);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Accepts on a socket from net::listen, and owns it.
  void listen(int fd);
  // Serves one connection, whatever carries it.
  void serve(std::unique_ptr<net::Stream> stream);
  // Accepts no more, closes idle connections, lets running requests finish until the deadline has passed; who
  // waits for another shard's answer at half of that time is answered without it. `stopped` is called once
  // nothing is left, perhaps before this returns. Once only.
  void stop(uint64_t deadline_ms, std::function<void()> stopped);

  // From the next connection on: HTTPS alone. Null: plain HTTP.
  void use_tls(std::shared_ptr<const net::TlsContext> context);
  // A changed token takes effect with the next request.
  void set_token_digest(const crypto::Digest& digest) { options_.token_digest = digest; }
  const AdminCounters& counters() const { return counters_; }
  size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  enum class Phase : uint8_t;

  ring::Task<bool> start_tls(Connection& connection);
  ring::Task<void> converse(Connection& connection);
  ring::Task<bool> read_request(Connection& connection);
  ring::Task<bool> respond(Connection& connection, http::Response response, bool head_only, bool keep_alive);
  ring::Task<void> linger(Connection& connection);
  ring::Task<void> run(std::list<Connection>::iterator at);
  void enter(Connection& connection, Phase phase);
  void end_asks();
  void end_connections(bool idle_only);
  void end_if_drained();

  ring::Shard& shard_;
  AdminOptions options_;
  Sources sources_;
  AdminCounters counters_;
  std::unique_ptr<Routes> routes_;
  std::shared_ptr<const net::TlsContext> tls_;
  net::TlsBuffers tls_buffers_;  // Outlives the connections.
  std::list<Connection> connections_;
  std::unique_ptr<net::Listener> listener_;
  bool is_stopping_ = false;
  bool is_ending_several_ = false;
  std::function<void()> stopped_;
  ring::CallbackTimer asks_timer_;
  ring::CallbackTimer drain_timer_;
  ring::CallbackTimer poll_timer_;
};

}  // namespace ringfence::admin
