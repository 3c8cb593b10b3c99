// The keys that seal and prove what the store keeps, and what is sealed by them.
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"
#include "ringfence/control/key_directory.h"

namespace ringfence::admin {

using control::Answer;
using control::KeyAction;
using http::Response;
using model::Json;
using ring::Task;

namespace {

struct KeyRoute {
  const char* method;
  std::string path;  // Below /api/v1/security.
  KeyAction action;
  bool changes;  // It needs the scope encryption:manage, and unless it is a DELETE it has a body.
  const char* description;
  int status;
  const char* request;
  const char* response;
  std::vector<int> refusals;
};

std::vector<KeyRoute> sealing_routes() {
  return {{"GET",
           "/encryption/status",
           KeyAction::status,
           false,
           "What is sealed, by which key, where keys come from, and how far a rotation is.",
           200,
           "",
           "EncryptionStatus",
           {501, 503}},
          {"POST",
           "/encryption/enable",
           KeyAction::enable,
           true,
           "Switches the sealing of a kind of things; 501 says why one is not sealed.",
           200,
           "SealingSwitch",
           "Sealing",
           {409, 413, 415, 422, 501, 503}},
          {"POST",
           "/encryption/column",
           KeyAction::column,
           true,
           "The same of one field of a table.",
           200,
           "ColumnSwitch",
           "Sealing",
           {409, 413, 415, 422, 501, 503}}};
}

KeyRoute generate_route(const std::string& path) {
  return {"POST",
          path,
          KeyAction::generate,
          true,
          "Makes a key. It is used for nothing until everything is rotated to it.",
          201,
          "NewEncryptionKey",
          "EncryptionKeyResult",
          {409, 413, 415, 422, 501, 503}};
}

std::vector<KeyRoute> routes_of_keys(const std::string& base) {
  const std::string one = base + "/{id}";
  return {{"GET",
           base,
           KeyAction::list,
           false,
           "Lists the keys of the ring, never their bytes.",
           200,
           "",
           "EncryptionKeyList",
           {501, 503}},
          {"GET",
           one,
           KeyAction::show,
           false,
           "Shows one key, by its id or as `current`.",
           200,
           "",
           "EncryptionKey",
           {501, 503}},
          {"POST",
           one + "/rotate",
           KeyAction::rotate,
           true,
           "Moves everything from the active key to the prepared one, or to a new one.",
           202,
           "NewEncryptionKey",
           "EncryptionKeyResult",
           {409, 413, 415, 422, 501, 503}},
          {"DELETE",
           one,
           KeyAction::destroy,
           true,
           "Destroys a key by which nothing is kept any more.",
           204,
           "",
           "",
           {409, 501, 503}}};
}

// The keys stand at two paths: the reference's routes have one, its description the other.
std::vector<KeyRoute> key_routes() {
  std::vector<KeyRoute> out = sealing_routes();
  out.push_back(generate_route("/keys/generate"));
  out.push_back(generate_route("/encryption/keys"));
  for (const char* base : {"/keys", "/encryption/keys"}) {
    for (KeyRoute& route : routes_of_keys(base)) out.push_back(std::move(route));
  }
  return out;
}

Task<Response> ask_keys(Resources& resources, KeyAction action, bool has_body, const Call& call) {
  Response refusal;
  Json given = Json::object();
  if (has_body && !take_json(call, given, refusal)) co_return refusal;
  if (resources.sources.keys == nullptr)
    co_return http::problem(501, "this appliance has no store, and so no keys for it; set audit.enabled",
                            call.request.path);
  Ask<Answer> ask(resources.asks, resources.shard, resources.options.record_ms);
  const std::string which = call.captured.empty() ? "" : std::string(call.captured[0]);
  resources.sources.keys->ask_keys(action, which, given, actor_of(call), ask.done());
  std::optional<Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the store");
  co_return answer_of(*answer, call.request.path);
}

}  // namespace

void add_encryption(Router& router, Resources& resources) {
  for (const KeyRoute& one : key_routes()) {
    Route route;
    route.method = one.method;
    route.pattern = std::string("/api/v1/security") + one.path;
    route.scope = one.changes ? "encryption:manage" : "encryption:read";
    route.description = one.description;
    route.body_bytes_max = json_body_bytes_max;
    route.exchange = {one.status, one.request, one.response, one.refusals, {}};
    if (one.changes) route.exchange.headers = {"X-CSRF-Token"};
    const bool has_body = one.changes && route.method != "DELETE";
    router.add(std::move(route), WholeHandler([&resources, action = one.action, has_body](const Call& call) {
                 return ask_keys(resources, action, has_body, call);
               }));
  }
}

}  // namespace ringfence::admin
