// Who may do what on a target's server, by the server's own catalogs. Nothing is changed there.
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"

namespace ringfence::admin {

using control::PrivilegeQuestion;
using http::Response;
using ring::Task;

namespace {

constexpr size_t name_bytes_max = 200;

// Empty: it can be asked.
std::string check_name(std::string_view name) {
  const bool is_name = !name.empty() && name.size() <= name_bytes_max && name.find('\0') == std::string::npos;
  return is_name ? "" : "is no name on a server; use 1 to 200 bytes";
}

Task<Response> ask_server(Resources& resources, const Call& call, std::string target,
                          PrivilegeQuestion question) {
  if (!resources.sources.ask_privileges)
    co_return http::problem(501, "this appliance asks no servers", call.request.path);
  Ask<control::Answer> ask(resources.asks, resources.shard, resources.options.server_ms);
  resources.sources.ask_privileges(target, std::move(question), actor_of(call), ask.done());
  std::optional<control::Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the target's server");
  co_return answer_of(*answer, call.request.path);
}

Task<Response> show(Resources& resources, const Call& call, PrivilegeQuestion::Kind kind) {
  const std::string* target = call.parameter("target");
  if (target == nullptr || target->empty()) {
    co_return http::problem(400, "target is missing; name the target whose server is asked: ?target=shop",
                            call.request.path);
  }
  if (std::string wrong = check_name(call.captured[0]); !wrong.empty())
    co_return http::problem(400, "the name " + wrong, call.request.path);
  auto asking = ask_server(resources, call, *target, {kind, call.captured[0], "", ""});
  co_return co_await asking;
}

Task<Response> validate(Resources& resources, const Call& call) {
  Response refusal;
  model::Json given;
  if (!take_json(call, given, refusal)) co_return refusal;
  model::Defects wrong;
  for (const char* member : {"target", "role", "object", "privilege"}) {
    const auto found = given.find(member);
    if (found == given.end() || !found->is_string()) wrong.push_back({member, "is missing; add a text"});
    else if (std::string why = check_name(found->get_ref<const std::string&>()); !why.empty())
      wrong.push_back({member, std::move(why)});
  }
  if (given.size() > 4) wrong.push_back({"", "has members beside target, role, object and privilege"});
  if (!wrong.empty()) co_return problem_of(400, "the question is not valid", call.request.path, wrong);
  PrivilegeQuestion question{PrivilegeQuestion::Kind::validity, given["role"].get<std::string>(),
                             given["object"].get<std::string>(), given["privilege"].get<std::string>()};
  auto asking = ask_server(resources, call, given["target"].get<std::string>(), std::move(question));
  co_return co_await asking;
}

Task<Response> refuse_change(const Call& call) {
  co_return http::problem(
      501,
      "the appliance reads the privileges of a server and changes none; run the statement "
      "in a session of level admin, where it is decided and recorded",
      call.request.path);
}

}  // namespace

void add_privileges(Router& router, Resources& resources) {
  using Kind = PrivilegeQuestion::Kind;
  struct Shown {
    const char* pattern;
    Kind kind;
    const char* schema;
    const char* description;
  };
  constexpr const char* base = "/api/v1/security/privileges";
  for (const Shown& one : {
           Shown{"/user/{name}", Kind::role, "RolePrivileges",
                 "What a user of a target's server may do there."},
           Shown{"/role/{name}", Kind::role, "RolePrivileges",
                 "What a role of a target's server may do there."},
           Shown{"/object/{name}", Kind::object, "ObjectPrivileges",
                 "Who may do what with a table, view, sequence, function, schema or database."},
           Shown{"/analyze/{name}", Kind::analysis, "PrivilegeAnalysis",
                 "Which privileges of a role nobody uses, and which ones are dangerous."},
       }) {
    router.add({.method = "GET",
                .pattern = std::string(base) + one.pattern,
                .scope = "privileges:read",
                .parameters = {{"target", "The target whose server is asked, by its name or id."}},
                .description = one.description,
                .exchange = {200, "", one.schema, {409, 422, 501, 503}}},
               WholeHandler(
                   [&resources, kind = one.kind](const Call& call) { return show(resources, call, kind); }));
  }
  router.add(
      {.method = "POST",
       .pattern = std::string(base) + "/validate",
       .scope = "privileges:read",
       .description = "Whether a role has a privilege on a table of a target's database.",
       .body_bytes_max = json_body_bytes_max,
       .exchange =
           {200, "PrivilegeQuestion", "PrivilegeValidity", {409, 413, 415, 422, 501, 503}, {"X-CSRF-Token"}}},
      WholeHandler([&resources](const Call& call) { return validate(resources, call); }));
  for (const char* change : {"/grant", "/revoke"}) {
    router.add({.method = "POST",
                .pattern = std::string(base) + change,
                .scope = "privileges:read",
                .description = "Not done here: 501 says where privileges of a server are changed.",
                .body_bytes_max = json_body_bytes_max,
                .exchange = {501, "", "Problem", {}, {"X-CSRF-Token"}, "application/problem+json"}},
               WholeHandler([](const Call& call) { return refuse_change(call); }));
  }
}

}  // namespace ringfence::admin
