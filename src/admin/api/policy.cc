// Questions about the policies in force.
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

int status_of(PolicyAnswer::Kind kind) {
  switch (kind) {
    case PolicyAnswer::Kind::answered: return 200;
    case PolicyAnswer::Kind::malformed: return 400;
    case PolicyAnswer::Kind::not_answered: return 422;
    case PolicyAnswer::Kind::unavailable: break;
  }
  return 503;
}

Task<Response> explain(Resources& resources, const Call& call) {
  Ask<PolicyAnswer> ask(resources.asks, resources.shard, resources.options.explain_ms);
  resources.sources.explain(call.request.body, call.by(), ask.done());
  std::optional<PolicyAnswer> answer = co_await ask;
  if (!answer) co_return late(resources, "who analyses statements");
  const int status = status_of(answer->kind);
  if (status == 200) co_return http::json_response(200, std::move(answer->text));
  Response response = http::problem(status, answer->text, call.request.path);
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  co_return response;
}

}  // namespace

void add_policy(Router& router, Resources& resources) {
  router.add({.method = "POST",
              .pattern = "/api/v1/policy/explain",
              .scope = "policy:explain",
              .description = "Whether a statement would pass, and why.",
              .exchange = {200, "ExplainQuestion", "ExplainAnswer", {413, 422, 503}, {"X-CSRF-Token"}}},
             WholeHandler([&resources](const Call& call) { return explain(resources, call); }));
}

}  // namespace ringfence::admin
