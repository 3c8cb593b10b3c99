// Whether a target's server lets the appliance in.
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

Task<Response> test_target(Resources& resources, const Call& call) {
  Response refusal;
  model::Json given;
  const bool has_body = !call.request.body.empty();
  if (has_body && !take_json(call, given, refusal)) co_return refusal;
  if (!given.empty())
    co_return http::problem(400, "a test takes no members; send {} or no body", call.request.path);
  if (!resources.sources.test_target)
    co_return http::problem(501, "this appliance asks no servers", call.request.path);
  Ask<control::Answer> ask(resources.asks, resources.shard, resources.options.server_ms);
  resources.sources.test_target(call.captured[0], actor_of(call), ask.done());
  std::optional<control::Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the target's server");
  co_return answer_of(*answer, call.request.path);
}

}  // namespace

void add_target_test(Router& router, Resources& resources) {
  router.add({.method = "POST",
              .pattern = "/api/v1/targets/{id}/test",
              .scope = "targets:test",
              .description = "Tries to log in to a target's server, and says where that fails.",
              .body_bytes_max = json_body_bytes_max,
              .exchange = {200, "", "TargetTest", {409, 415, 501, 503}, {"X-CSRF-Token"}}},
             WholeHandler([&resources](const Call& call) { return test_target(resources, call); }));
}

}  // namespace ringfence::admin
