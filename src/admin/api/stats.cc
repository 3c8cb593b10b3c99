// What runs here, and how it does.
#include "json.h"
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

Task<Response> version(const Resources& resources) {
  co_return http::json_response(200, version_json(resources.options.node));
}

Task<Response> stats(const Resources& resources) {
  co_return http::json_response(
      200, to_json(resources.sources.stats(), resources.options.node, resources.shard.now_us()));
}

}  // namespace

void add_stats(Router& router, Resources& resources) {
  router.add({.method = "GET",
              .pattern = "/api/v1/version",
              .scope = "stats:read",
              .description = "Name, version and node.",
              .exchange = {200, "", "Version"}},
             WholeHandler([&resources](const Call&) { return version(resources); }));
  router.add({.method = "GET",
              .pattern = "/api/v1/stats",
              .scope = "stats:read",
              .description = "State, uptime, and numbers of sessions and statements.",
              .exchange = {200, "", "Stats"}},
             WholeHandler([&resources](const Call&) { return stats(resources); }));
}

}  // namespace ringfence::admin
