#include "alias_values.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ringfence::admin {

using model::Json;

namespace {

tl::unexpected<Error> unfit(std::string message) { return fail(Fault::malformed, std::move(message)); }

// The value of a member, or null.
Json member(const Json& of, const char* name) {
  const auto found = of.find(name);
  return found == of.end() ? Json() : *found;
}

// What the trail calls a change, and what DBBat does.
constexpr std::pair<std::string_view, std::string_view> changes[] = {
    {"CREATE", "created"}, {"UPDATE", "updated"}, {"DELETE", "deleted"},
    {"VIEW", "viewed"},    {"LINK", "linked"},    {"UNLINK", "unlinked"}};
// The same of what was changed.
constexpr std::pair<std::string_view, std::string_view> entities[] = {{"target", "database"},
                                                                      {"target_group", "server_group"},
                                                                      {"key", "api_key"},
                                                                      {"access_request", "grant_request"}};

}  // namespace

Json first_host(const Json& hosts) { return hosts.is_array() && !hosts.empty() ? hosts[0] : Json(); }

Result<Json> only_host(const Json& host) {
  if (!host.is_string()) return unfit("is no text");
  return Json::array({host});
}

Json protocol_shown(const Json& type) { return type == "postgres" ? Json("postgresql") : type; }

Result<Json> protocol_given(const Json& protocol) {
  return protocol == "postgresql" ? Json("postgres") : protocol;
}

Json metadata_shown(const Json& description) { return {{"description", description}}; }

Result<Json> metadata_given(const Json& metadata) {
  if (metadata.is_null()) return Json();
  if (!metadata.is_object()) return unfit("is no object");
  for (const auto& [name, value] : metadata.items()) {
    if (name != "description")
      return unfit("has " + name + ", which is kept nowhere; write it as one of tags");
    if (!value.is_string() && !value.is_null()) return unfit("has a description that is no text");
  }
  return member(metadata, "description");
}

Result<Json> password_given(const Json& password) {
  if (password == "") return Json(Json::value_t::discarded);
  return password;
}

Json never_shown(const Json&) { return {}; }
Json always_true(const Json&) { return true; }

Json milliseconds(const Json& microseconds) {
  if (!microseconds.is_number_integer()) return {};
  return static_cast<double>(microseconds.get<int64_t>()) / 1'000;
}

Json parameters_shown(const Json& parameters) {
  if (parameters.is_null()) return {};
  return {{"values", parameters}};
}

Json address_alone(const Json& client_addr) {
  if (!client_addr.is_string()) return {};
  std::string text = client_addr.get<std::string>();
  const size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && (text.find(':') == colon || text[colon - 1] == ']');
  if (has_port) text.resize(colon);
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  return text;
}

Json bytes_both_ways(const Json& connection) {
  int64_t sum = 0;
  for (const char* name : {"bytes_to_client", "bytes_to_server"}) {
    const Json bytes = member(connection, name);
    if (!bytes.is_number_integer()) return {};
    sum += bytes.get<int64_t>();
  }
  return sum;
}

Json event_type(const Json& event) {
  const Json action = member(event, "action"), entity = member(event, "entity_type");
  if (!action.is_string() || !entity.is_string()) return action;
  for (const auto& [ours, theirs] : changes) {
    if (action != ours) continue;
    std::string kind = entity.get<std::string>();
    for (const auto& [own, other] : entities)
      if (kind == own) kind = other;
    return kind + "." + std::string(theirs);
  }
  return action;
}

void ask_event_type(const std::string& value, http::Parameters& query) {
  const size_t dot = value.find('.');
  std::string kind = value.substr(0, dot), action = value;
  for (const auto& [ours, theirs] : changes)
    if (dot != std::string::npos && value.substr(dot + 1) == theirs) action = ours;
  if (action == value) {
    query.emplace_back("action", value);
    return;
  }
  for (const auto& [own, other] : entities)
    if (kind == other) kind = own;
  query.emplace_back("action", action);
  query.emplace_back("entity_type", kind);
}

Json event_details(const Json& event) {
  Json out = Json::object();
  for (const char* name : {"changes", "metadata", "reason"})
    if (Json value = member(event, name); !value.is_null()) out[name] = std::move(value);
  return out;
}

Result<Json> policy_question(const Json& given) {
  for (const auto& [name, value] : given.items()) {
    static constexpr std::string_view known[] = {"connection", "role", "query_type",
                                                 "method",     "path", "query"};
    if (std::find(std::begin(known), std::end(known), name) == std::end(known))
      return unfit(name + ": is no member of this question");
    if (!value.is_string() && !value.is_null()) return unfit(name + ": is no text");
  }
  const Json type = member(given, "query_type");
  const auto is_given = [&](const char* name) {
    const Json value = member(given, name);
    return !value.is_null() && value != "";
  };
  if (is_given("method") || is_given("path"))
    return unfit("method and path: are for targets that speak HTTP, and there are none; give query");
  if (!type.is_null() && type != "" && type != "postgres" && type != "database" && type != "sql")
    return unfit("query_type: is none of postgres, database and sql");
  for (const char* name : {"connection", "role", "query"})
    if (!is_given(name)) return unfit(std::string(name) + ": is missing");
  return Json{{"target", given.at("connection")},
              {"roles", Json::array({given.at("role")})},
              {"statement", given.at("query")}};
}

Json policy_answer(const Json& answer) {
  Json policies = Json::array(), statements = Json::array();
  for (const Json& policy : answer.at("access").at("policies")) policies.push_back(policy.at("name"));
  for (const Json& one : answer.at("statements"))
    statements.push_back({{"begin", one.at("begin")},
                          {"end", one.at("end")},
                          {"allowed", one.at("allowed")},
                          {"rule", one.at("rule")},
                          {"message", one.at("message")}});
  return {{"hasAccess", answer.at("access").at("granted")},
          {"allowed", answer.at("allowed")},
          {"matchingPolicies", std::move(policies)},
          {"subquery_validation", std::move(statements)},
          {"requiresApproval", false},
          {"approvalTimeout", nullptr}};
}

}  // namespace ringfence::admin
