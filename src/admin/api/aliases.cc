#include "aliases.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "alias_call.h"
#include "exchange.h"
#include "ringfence/base/clock.h"

namespace ringfence::admin {

using http::Response;
using model::Json;
using ring::Task;

namespace {

constexpr std::string_view list_ending = "List";

bool is_list(const Route& route) {
  return route.method == "GET" && route.exchange.response.ends_with(list_ending);
}

std::string_view code_of(int status) {
  switch (status) {
    case 401: return "UNAUTHORIZED";
    case 403: return "FORBIDDEN";
    case 404: return "NOT_FOUND";
    case 409:
    case 412: return "CONFLICT";
    case 429: return "RATE_LIMITED";
    default: return status >= 500 ? "INTERNAL_ERROR" : "VALIDATION_ERROR";
  }
}

// The name of this alias's schema for one of the other route; the same where nothing is turned.
std::string schema_of(const Alias& alias, const std::string& schema) {
  if (alias.shape == nullptr || schema.empty()) return schema;
  // Records of two nouns may share a shape's prefix: the noun's name stays in it.
  return std::string(alias.shape->prefix) + schema;
}

// Names of the query, as the contract has them.
std::vector<Parameter> parameters_of(const Alias& alias, const Route& to) {
  std::vector<Parameter> out;
  for (Parameter parameter : to.parameters) {
    if (alias.shape != nullptr) {
      for (const FieldAlias& field : alias.shape->fields) {
        if (field.field != parameter.name) continue;
        parameter.name = field.alias;
        if (field.kind == FieldAlias::Kind::reference) parameter.description += " Its number, name or id.";
      }
    }
    out.push_back(std::move(parameter));
  }
  if (alias.shape == nullptr) return out;
  for (const FieldAlias& field : alias.shape->fields)
    if (field.asked != nullptr)
      out.emplace_back(std::string(field.alias), "Only those of this kind: \"user.created\", or an action.");
  return out;
}

Route make_route(const Alias& alias, const Route& to) {
  Route out = to;
  out.method = alias.method;
  out.pattern = alias.pattern;
  out.tag = name(alias.family);
  out.parameters = parameters_of(alias, to);
  out.description = "As " + alias.to_method + " " + alias.to_pattern + ", in the form of " +
                    std::string(name(alias.family)) + ".";
  Exchange& exchange = out.exchange;
  exchange.request = alias.given != nullptr ? alias.given_schema : schema_of(alias, to.exchange.request);
  exchange.response = alias.shown != nullptr ? alias.shown_schema : schema_of(alias, to.exchange.response);
  if (!alias.noun.empty()) exchange.refusals.push_back(503);
  if (!exchange.request.empty()) exchange.refusals.push_back(415);
  return out;
}

Task<void> run(Resources& resources, const AliasWay& way, const Call& call, Responder& responder) {
  AliasCall one(resources, way, call);
  Task<Response> answering = one.answer();
  Response response = co_await answering;
  responder.answer(std::move(response));
}

}  // namespace

void speak_as(Family family, Response& problem, uint64_t now_us) {
  Json body = Json::parse(problem.body, nullptr, false);
  if (!body.is_object() || !body.contains("detail")) return;
  switch (family) {
    case Family::port_authorizing: body["error"] = body["detail"]; break;
    case Family::rusty_db: body["timestamp"] = rfc3339(now_us); [[fallthrough]];
    case Family::dbbat: body["code"] = code_of(problem.status); body["message"] = body["detail"];
  }
  problem.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

const Route* route_of(const Alias& alias, const std::vector<Route>& routes) {
  const auto found = std::find_if(routes.begin(), routes.end(), [&](const Route& route) {
    return route.method == alias.to_method && route.pattern == alias.to_pattern;
  });
  return found == routes.end() ? nullptr : &*found;
}

void add_alias_schemas(Json& schemas, const std::vector<Route>& routes) {
  for (const Alias& alias : aliases()) {
    const Route* to = route_of(alias, routes);
    if (to == nullptr || alias.shape == nullptr) continue;
    const Shape& shape = *alias.shape;
    const std::string& given = to->exchange.request;
    if (!given.empty()) schemas[schema_of(alias, given)] = given_schema(shape, schemas.at(given));
    const std::string& shown = to->exchange.response;
    if (shown.empty()) continue;
    if (!is_list(*to)) {
      schemas[schema_of(alias, shown)] = shown_schema(shape, schemas.at(shown));
      continue;
    }
    const std::string item = shown.substr(0, shown.size() - list_ending.size());
    schemas[schema_of(alias, item)] = shown_schema(shape, schemas.at(item));
    const Json items = {{"type", "array"},
                        {"items", {{"$ref", "#/components/schemas/" + schema_of(alias, item)}}}};
    const std::string envelope(shape.envelope);
    schemas[schema_of(alias, shown)] =
        envelope.empty()
            ? items
            : Json{{"type", "object"},
                   {"properties", {{envelope, items}, {"next_cursor", {{"type", {"string", "null"}}}}}},
                   {"required", {envelope, "next_cursor"}},
                   {"additionalProperties", false}};
  }
}

void add_aliases(Router& router, Resources& resources) {
  for (const Alias& alias : aliases()) {
    const Route* to = route_of(alias, router.routes());
    if (to == nullptr) continue;
    const size_t at = static_cast<size_t>(to - router.routes().data());
    auto way = std::make_shared<const AliasWay>(
        AliasWay{alias, router.handler(at), is_list(*to), !to->exchange.request.empty()});
    Route route = make_route(alias, *to);
    router.add(std::move(route), Handler([&resources, way](const Call& call, Responder& responder) {
                 return run(resources, *way, call, responder);
               }));
  }
  router.on_refusal([&resources](const http::Request& request, Response& refusal) {
    if (const Family* family = family_of(request.path)) speak_as(*family, refusal, resources.shard.now_us());
  });
}

}  // namespace ringfence::admin
