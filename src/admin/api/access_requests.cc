// What becomes of access requests, and access in an emergency.
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"
#include "ringfence/model/noun.h"
#include "schemas.h"

namespace ringfence::admin {

using control::Answer;
using control::Decision;
using control::RecordDirectory;
using http::Response;
using model::Json;
using ring::Task;

namespace {

Task<Response> decide(Resources& resources, Decision decision, const Call& call) {
  Response refusal;
  Json given = Json::object();
  std::optional<int64_t> version;
  // A reason is not always needed, and neither is a body then.
  const bool is_bare = call.request.body.empty() && call.request.header("Content-Type") == nullptr;
  if ((!is_bare && !take_json(call, given, refusal)) || !take_if_match(call, version, refusal))
    co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.decide(call.captured[0], decision, given, version, actor_of(call), std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(resources, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  co_return answer_of(*answer, call.request.path);
}

Task<Response> break_glass(Resources& resources, const Call& call) {
  Response refusal;
  Json given;
  std::string key;
  if (!take_json(call, given, refusal) || !take_idempotency_key(call, key, refusal)) co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.break_glass(given, actor_of(call), key, std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(resources, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  Response response = answer_of(*answer, call.request.path);
  if (answer->kind == Answer::Kind::created)
    response.headers.push_back({"Location", "/api/v1/grants/" + answer->body.value("id", "")});
  co_return response;
}

struct Verdict {
  const char* verb;
  Decision decision;
  const char* scope;
  const char* own_scope;
  const char* description;
};

constexpr Verdict verdicts[] = {
    {"approve", Decision::approve, "access-requests:decide", "",
     "Approves a request, and makes the grant. Nobody decides a request of his own."},
    {"deny", Decision::deny, "access-requests:decide", "", "Denies a request; the reason is needed."},
    {"cancel", Decision::cancel, "access-requests:write", "self:access-requests",
     "Takes a request back that one has made."},
};

}  // namespace

void add_access_requests(Router& router, Resources& resources) {
  const std::string request_schema = schema_name(*model::find_noun("access_request"));
  for (const Verdict& verdict : verdicts) {
    Route route;
    route.method = "POST";
    route.pattern = std::string("/api/v1/access-requests/{id}/") + verdict.verb;
    route.scope = verdict.scope;
    route.own_scope = verdict.own_scope;
    route.description = verdict.description;
    route.body_bytes_max = json_body_bytes_max;
    route.exchange = {200,
                      "Decision",
                      request_schema,
                      {400, 403, 404, 409, 412, 413, 415, 422, 501, 503},
                      {"If-Match", "X-CSRF-Token"}};
    router.add(std::move(route), WholeHandler([&resources, decision = verdict.decision](const Call& call) {
                 return decide(resources, decision, call);
               }));
  }
  Route glass;
  glass.method = "POST";
  glass.pattern = "/api/v1/break-glass";
  glass.scope = "grants:break-glass";
  glass.description = "Gives who asks access at once, for a while; the trail's event is CRITICAL.";
  glass.body_bytes_max = json_body_bytes_max;
  glass.exchange = {201,
                    "BreakGlass",
                    schema_name(*model::find_noun("grant")),
                    {400, 403, 409, 413, 415, 422, 501, 503},
                    {"Idempotency-Key", "X-CSRF-Token"}};
  router.add(std::move(glass),
             WholeHandler([&resources](const Call& call) { return break_glass(resources, call); }));
}

}  // namespace ringfence::admin
