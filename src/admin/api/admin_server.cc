#include "ringfence/admin/api/admin_server.h"

#include "resources.h"

namespace ringfence::admin {

struct AdminServer::Parts {
  Resources resources;
};

AdminServer::AdminServer(ring::Shard& shard, AdminOptions options, Sources sources)
    : options_(std::move(options)),
      sources_(std::move(sources)),
      authenticator_(options_.token_digest, counters_, sources_.authentication_failed),
      router_(authenticator_),
      server_(std::make_unique<Server>(shard, options_, router_, counters_, asks_)),
      parts_(new Parts{{shard, options_, sources_, counters_, asks_, *server_}}) {
  Resources& resources = parts_->resources;
  add_health(router_, resources);
  add_metrics(router_, resources);
  add_stats(router_, resources);
  add_sessions(router_, resources);
  add_policy(router_, resources);
}

AdminServer::~AdminServer() = default;

http::Response late(Resources& resources, std::string_view who) {
  ++resources.counters.answers_late;
  http::Response response = http::problem(503, std::string(who) + " did not answer in time; try again");
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace ringfence::admin
