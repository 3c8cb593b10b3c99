// The admin API: the server and all resources. Lives on one shard and is used on its thread only; destroyed
// after stop() has called back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ringfence/admin/api/sources.h"
#include "ringfence/admin/web/server.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::admin {

struct AdminOptions : ServerOptions {
  crypto::Digest token_digest{};
  bool metrics_public = false;  // /metrics without the token.
  std::string node;

  uint64_t answer_ms = 2'000;  // For what other shards have to say.
  uint64_t explain_ms =
      20'000;  // For large statements, which take a second each, one question after another.
  uint64_t password_ms = 5'000;  // For a check, which takes 100 ms, behind those that wait.
  uint64_t trail_ms = 20'000;    // For the trail: a reading has 5 s, and waits for those before it.
  uint64_t record_ms = 15'000;   // For the store, and for this node to follow it.
  uint64_t server_ms = 20'000;   // For a target's server, and the store before it.
};

class AdminServer {
 public:
  AdminServer(ring::Shard& shard, AdminOptions options, Sources sources);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // As Server has them.
  void listen(int fd);
  void serve(std::unique_ptr<net::Stream> stream);
  void stop(uint64_t deadline_ms, std::function<void()> stopped);
  void use_tls(std::shared_ptr<const net::TlsContext> context);
  void set_token_digest(const crypto::Digest& digest);

  const Router& router() const;
  const AdminCounters& counters() const;
  size_t connections() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace ringfence::admin
