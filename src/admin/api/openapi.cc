#include "openapi.h"

#include <nlohmann/json.hpp>
#include <set>

#include "aliases.h"
#include "schemas.h"

namespace ringfence::admin {

using model::Json;

namespace {

Json refer(const std::string& kind, const std::string& name) {
  return {{"$ref", "#/components/" + kind + "/" + name}};
}

// "users" of /api/v1/users/{id}; "appliance" of what is no part of the versioned API.
std::string tag_of(const Route& route) {
  if (!route.tag.empty()) return route.tag;
  constexpr std::string_view prefix = "/api/v1/";
  if (!route.pattern.starts_with(prefix)) return "appliance";
  const std::string rest = route.pattern.substr(prefix.size());
  return rest.substr(0, rest.find('/'));
}

// "get_api_v1_users_id"
std::string operation_id_of(const Route& route) {
  std::string out;
  for (const char c : route.method + route.pattern) {
    if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
    else if (c != '}' && c != '{') out += '_';
  }
  return out;
}

std::vector<std::string> names_in(const std::string& pattern) {
  std::vector<std::string> out;
  for (size_t at = pattern.find('{'); at != std::string::npos; at = pattern.find('{', at + 1))
    out.push_back(pattern.substr(at + 1, pattern.find('}', at) - at - 1));
  return out;
}

Json parameters_of(const Route& route) {
  Json out = Json::array();
  for (const std::string& name : names_in(route.pattern))
    out.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  for (const Parameter& parameter : route.parameters) {
    Json one = {{"name", parameter.name}, {"in", "query"}, {"schema", {{"type", parameter.type}}}};
    if (!parameter.description.empty()) one["description"] = parameter.description;
    out.push_back(std::move(one));
  }
  for (const std::string& name : route.exchange.headers) out.push_back(refer("parameters", name));
  return out;
}

std::set<int> refusals_of(const Route& route) {
  std::set<int> out(route.exchange.refusals.begin(), route.exchange.refusals.end());
  out.insert(400);  // A query that is not known.
  if (!route.is_open()) out.insert({401, 403, 503});
  if (route.admits == Admits::scope && !route.scope.empty()) out.insert(404);
  return out;
}

Json responses_of(const Route& route) {
  const Exchange& exchange = route.exchange;
  Json success = {{"description", std::string(http::reason_phrase(exchange.status))}};
  if (!exchange.response.empty())
    success["content"][exchange.media_type]["schema"] = refer("schemas", exchange.response);
  else if (exchange.status == 200)
    success["content"][exchange.media_type]["schema"] = {
        {"type", exchange.media_type == "application/json" ? "object" : "string"}};
  Json out = {{std::to_string(exchange.status), std::move(success)}};
  for (const int status : refusals_of(route)) {
    if (status == exchange.status) continue;
    Json one = {{"description", std::string(http::reason_phrase(status))}};
    if (status >= 400) one["content"]["application/problem+json"]["schema"] = refer("schemas", "Problem");
    out[std::to_string(status)] = std::move(one);
  }
  return out;
}

Json operation_of(const Route& route) {
  Json out = {{"operationId", operation_id_of(route)},
              {"summary", route.description},
              {"tags", {tag_of(route)}},
              {"responses", responses_of(route)}};
  if (Json parameters = parameters_of(route); !parameters.empty()) out["parameters"] = std::move(parameters);
  if (!route.exchange.request.empty()) {
    out["requestBody"] = {
        {"required", true},
        {"content", {{"application/json", {{"schema", refer("schemas", route.exchange.request)}}}}}};
  }
  if (route.is_open()) out["security"] = Json::array();
  if (!route.scope.empty()) out["x-required-scope"] = route.scope;
  if (!route.own_scope.empty()) out["x-own-scope"] = route.own_scope;
  return out;
}

Json header(const char* name, const char* description) {
  return {{"name", name}, {"in", "header"}, {"description", description}, {"schema", {{"type", "string"}}}};
}

Json components(const std::vector<Route>& routes) {
  Json described = schemas();
  add_alias_schemas(described, routes);
  return {{"schemas", std::move(described)},
          {"parameters",
           {{"If-Match", header("If-Match", "The ETag of the record: only this version is changed.")},
            {"If-None-Match", header("If-None-Match", "ETags that are there already: 304 for one of them.")},
            {"Idempotency-Key",
             header("Idempotency-Key", "The same key with the same body gives the first answer again.")},
            {"X-CSRF-Token", header("X-CSRF-Token", "Of a browser session, which needs it here.")}}},
          {"securitySchemes",
           {{"password", {{"type", "http"}, {"scheme", "basic"}}},
            {"token",
             {{"type", "http"},
              {"scheme", "bearer"},
              {"description", "The administrator's token, or an API key."}}},
            {"api_key", {{"type", "apiKey"}, {"in", "header"}, {"name", "X-API-Key"}}},
            {"browser_session",
             {{"type", "apiKey"},
              {"in", "cookie"},
              {"name", "ringfence_session"},
              {"description", "By TLS it is __Host-ringfence_session."}}}}}};
}

}  // namespace

Json openapi(const std::vector<Route>& routes) {
  Json out = {{"openapi", "3.1.0"},
              {"info", {{"title", "Ringfence"}, {"version", RINGFENCE_VERSION}}},
              {"servers", Json::array({{{"url", "/"}}})},
              {"paths", Json::object()},
              {"components", components(routes)}};
  for (const char* scheme : {"password", "token", "api_key", "browser_session"})
    out["security"].push_back({{scheme, Json::array()}});
  std::set<std::string> tags;
  for (const Route& route : routes) {
    std::string method = operation_id_of(route);
    method.resize(route.method.size());
    out["paths"][route.pattern][method] = operation_of(route);
    tags.insert(tag_of(route));
  }
  for (const std::string& tag : tags) out["tags"].push_back({{"name", tag}});
  return out;
}

}  // namespace ringfence::admin
