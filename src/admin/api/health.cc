// Whether the process lives, and whether it takes sessions: for those who watch it, without a proof.
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

Task<Response> health(const Call&) { co_return http::json_response(200, "{\"status\":\"ok\"}\n"); }

Task<Response> readiness(const Resources& resources, const Call& call) {
  Readiness now = resources.sources.readiness();
  if (now.is_ready) co_return http::json_response(200, "{\"status\":\"ready\"}\n");
  co_return http::problem(503, now.reason.empty() ? "not ready" : now.reason, call.request.path);
}

}  // namespace

void add_health(Router& router, Resources& resources) {
  router.add({.method = "GET",
              .pattern = "/healthz",
              .description = "Whether the process lives.",
              .exchange = {200, "", "Status"}},
             WholeHandler(health));
  router.add({.method = "GET",
              .pattern = "/readyz",
              .description = "Whether sessions are taken, or why not.",
              .exchange = {200, "", "Status", {503}}},
             WholeHandler([&resources](const Call& call) { return readiness(resources, call); }));
}

}  // namespace ringfence::admin
