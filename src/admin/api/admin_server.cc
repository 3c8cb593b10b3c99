#include "ringfence/admin/api/admin_server.h"

#include "authenticator.h"
#include "browser_logins.h"
#include "resources.h"

namespace ringfence::admin {

struct AdminServer::Parts {
  Parts(ring::Shard& shard, AdminOptions given, Sources from)
      : options(std::move(given)),
        sources(std::move(from)),
        logins(shard, sources.logged_in),
        authenticator(shard, options, sources, counters, asks, logins),
        router(authenticator),
        server(shard, options, router, counters, asks),
        resources{shard, options, sources, counters, asks, server, authenticator, logins, router} {}

  AdminOptions options;
  Sources sources;
  AdminCounters counters;
  Asks asks;
  BrowserLogins logins;
  ApiAuthenticator authenticator;
  Router router;
  Server server;
  Resources resources;
};

AdminServer::AdminServer(ring::Shard& shard, AdminOptions options, Sources sources)
    : parts_(std::make_unique<Parts>(shard, std::move(options), std::move(sources))) {
  for (auto* add : {add_health, add_metrics, add_stats, add_sessions, add_policy, add_auth, add_encryption,
                    add_records, add_access_requests, add_target_test, add_privileges, add_config, add_trail,
                    add_permissions, add_aliases, add_description})
    add(parts_->router, parts_->resources);
}

AdminServer::~AdminServer() = default;

void AdminServer::listen(int fd) { parts_->server.listen(fd); }

void AdminServer::serve(std::unique_ptr<net::Stream> stream) { parts_->server.serve(std::move(stream)); }

void AdminServer::stop(uint64_t deadline_ms, std::function<void()> stopped) {
  parts_->server.stop(deadline_ms, std::move(stopped));
}

void AdminServer::use_tls(std::shared_ptr<const net::TlsContext> context) {
  parts_->authenticator.set_secure(context != nullptr);
  parts_->server.use_tls(std::move(context));
}

void AdminServer::set_token_digest(const crypto::Digest& digest) {
  parts_->authenticator.set_token_digest(digest);
}

const Router& AdminServer::router() const { return parts_->router; }
const AdminCounters& AdminServer::counters() const { return parts_->counters; }
size_t AdminServer::connections() const { return parts_->server.connections(); }

http::Response late(Resources& resources, std::string_view who) {
  ++resources.counters.answers_late;
  http::Response response = http::problem(503, std::string(who) + " did not answer in time; try again");
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace ringfence::admin
