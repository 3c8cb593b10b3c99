// HTTP/1.1 on a listening socket: connections, their deadlines, and an end in order. What is served says the
// router.
//
// Lives on one shard and is used on its thread only. Each connection is one coroutine; every wait has a
// deadline, but for those of streams and upgraded connections, whose handlers decide how long they last. The
// server is destroyed after stop() has called back.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "ringfence/admin/web/ask.h"
#include "ringfence/admin/web/counters.h"
#include "ringfence/admin/web/router.h"
#include "ringfence/net/listener.h"
#include "ringfence/net/stream.h"
#include "ringfence/net/tls_stream.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

class Connection;

struct ServerOptions {
  size_t connections_max = 256;  // A person's browser and a few scrapers need dozens.
  uint64_t header_ms = 10'000;   // From a request's first byte, or the connection's begin, to the head's end.
  uint64_t body_ms = 30'000;     // For its body, and for the client to take the response; each piece of a
                                 // streamed body or answer has as much.
  uint64_t idle_ms = 60'000;     // Between requests.
  uint64_t linger_ms = 1'000;    // After a refusal, for the client to read it.
};

// What the server's connections share.
struct ServerState {
  ring::Shard& shard;
  ServerOptions options;
  const Router& router;
  AdminCounters& counters;
  std::shared_ptr<const net::TlsContext> tls;
  net::TlsBuffers tls_buffers;  // Outlives the connections.
  bool is_stopping = false;
};

class Server {
 public:
  // What is referred to outlives the server. `asks`: requests that wait for what others have to say.
  Server(ring::Shard& shard, const ServerOptions& options, const Router& router, AdminCounters& counters,
         Asks& asks);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Accepts on a socket from net::listen, and owns it.
  void listen(int fd);
  // Serves one connection, whatever carries it.
  void serve(std::unique_ptr<net::Stream> stream);
  // Accepts no more, closes idle connections, tells streams and upgraded connections to end, lets running
  // requests finish until the deadline has passed; who waits for another shard's answer at half of that time
  // is answered without it. `stopped` is called once nothing is left, perhaps before this returns. Once only.
  void stop(uint64_t deadline_ms, std::function<void()> stopped);

  // From the next connection on: HTTPS alone. Null: plain HTTP.
  void use_tls(std::shared_ptr<const net::TlsContext> context) { state_.tls = std::move(context); }
  size_t connections() const { return connections_.size(); }

 private:
  using Connections = std::list<std::unique_ptr<Connection>>;
  ring::Task<void> run(Connections::iterator at);
  void end_asks();
  void end_connections();
  void end_if_drained();

  ServerState state_;
  Asks& asks_;
  Connections connections_;
  std::unique_ptr<net::Listener> listener_;
  bool is_ending_several_ = false;
  std::function<void()> stopped_;
  ring::CallbackTimer asks_timer_;
  ring::CallbackTimer drain_timer_;
  ring::CallbackTimer poll_timer_;
};

}  // namespace ringfence::admin
