// What there is to be permitted, and the roles that come built in.
#include <map>
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using model::Json;
using ring::Task;

namespace {

Task<Response> permissions(const Resources& resources) {
  std::map<std::string, Json> routes;
  for (const Route& route : resources.router.routes()) {
    if (route.scope.empty()) continue;
    for (const std::string& scope : {route.scope, route.own_scope}) {
      if (!scope.empty())
        routes[scope].push_back(
            {{"method", route.method}, {"path", route.pattern}, {"description", route.description}});
    }
  }
  Json out = {{"scopes", Json::array()}, {"roles", Json::array()}};
  for (auto& [scope, its_routes] : routes)
    out["scopes"].push_back({{"name", scope}, {"routes", std::move(its_routes)}});
  for (const auth::BuiltInRole& role : auth::built_in_roles()) {
    out["roles"].push_back({{"name", role.name},
                            {"description", role.description},
                            {"scopes", std::vector<std::string>(role.scopes.begin(), role.scopes.end())}});
  }
  co_return json_answer(200, out);
}

}  // namespace

void add_permissions(Router& router, Resources& resources) {
  router.add({.method = "GET",
              .pattern = "/api/v1/permissions",
              .scope = "permissions:read",
              .description = "All scopes that routes need, and the built-in roles.",
              .exchange = {200, "", "Permissions"}},
             WholeHandler([&resources](const Call&) { return permissions(resources); }));
}

}  // namespace ringfence::admin
