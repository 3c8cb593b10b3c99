// The admin API: the server and all resources. Lives on one shard and is used on its thread only; destroyed
// after stop() has called back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ringfence/admin/api/sources.h"
#include "ringfence/admin/web/server.h"
#include "ringfence/admin/web/token_authenticator.h"

namespace ringfence::admin {

struct AdminOptions : ServerOptions {
  crypto::Digest token_digest{};
  bool metrics_public = false;  // /metrics without the token.
  std::string node;

  uint64_t answer_ms = 2'000;  // For what other shards have to say.
  uint64_t explain_ms =
      20'000;  // For large statements, which take a second each, one question after another.
};

class AdminServer {
 public:
  AdminServer(ring::Shard& shard, AdminOptions options, Sources sources);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // As Server has them.
  void listen(int fd) { server_->listen(fd); }
  void serve(std::unique_ptr<net::Stream> stream) { server_->serve(std::move(stream)); }
  void stop(uint64_t deadline_ms, std::function<void()> stopped) {
    server_->stop(deadline_ms, std::move(stopped));
  }
  void use_tls(std::shared_ptr<const net::TlsContext> context) { server_->use_tls(std::move(context)); }
  void set_token_digest(const crypto::Digest& digest) { authenticator_.set_token_digest(digest); }

  const Router& router() const { return router_; }
  const AdminCounters& counters() const { return counters_; }
  size_t connections() const { return server_->connections(); }

 private:
  AdminOptions options_;
  Sources sources_;
  AdminCounters counters_;
  Asks asks_;
  TokenAuthenticator authenticator_;
  Router router_;
  std::unique_ptr<Server> server_;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace ringfence::admin
