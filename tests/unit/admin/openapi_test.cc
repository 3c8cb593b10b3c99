// The API's description is true: it has each route, and answers are as it says.
#include <set>

#include "admin/api/openapi.h"
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

void each_reference(const Json& in, const std::function<void(const std::string&)>& visit) {
  if (in.is_object() && in.contains("$ref")) visit(in["$ref"]);
  if (in.is_structured())
    for (const Json& part : in) each_reference(part, visit);
}

std::string type_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "boolean";
  if (value.is_number_integer()) return "integer";
  if (value.is_string()) return "string";
  return value.is_array() ? "array" : "object";
}

// What of the value is not as the schema says, or an empty text; the keywords that our schemas use.
std::string misfit(const Json& document, Json schema, const Json& value, const std::string& path) {
  while (schema.contains("$ref"))
    schema = document.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1)));
  if (schema.contains("oneOf")) {
    size_t fitting = 0;
    for (const Json& one : schema["oneOf"]) fitting += misfit(document, one, value, path).empty() ? 1 : 0;
    return fitting == 1 ? "" : path + " fits " + std::to_string(fitting) + " of oneOf";
  }
  const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
  if (std::find(types.begin(), types.end(), Json(type_of(value))) == types.end())
    return path + " is a " + type_of(value);
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return path + " is none of enum";
  if (value.is_number_integer() && schema.contains("minimum") && value < schema["minimum"])
    return path + " is too small";
  if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      std::string found = misfit(document, schema["items"], value[i], path + "[" + std::to_string(i) + "]");
      if (!found.empty()) return found;
    }
  }
  if (!value.is_object()) return "";
  for (const Json& name : schema.value("required", Json::array()))
    if (!value.contains(name.get<std::string>())) return path + " misses " + name.get<std::string>();
  for (const auto& [name, member] : value.items()) {
    const Json properties = schema.value("properties", Json::object());
    const Json more = schema.value("additionalProperties", Json(true));
    std::string found;
    if (properties.contains(name)) found = misfit(document, properties[name], member, path + "." + name);
    else if (more.is_object()) found = misfit(document, more, member, path + "." + name);
    else if (!more.get<bool>()) found = path + " has a " + name;
    if (!found.empty()) return found;
  }
  return "";
}

Json document_of(ApiFixture& f) { return json_of(f.ask("GET", "/api/openapi.json", as_admin())); }

// A record with a value in each field, as the control plane shows one.
Json record_of(const model::Noun& noun, bool with_values) {
  Json out = {{"id", to_string(uuid_v7(1'000'000, 1))},
              {"number", 1},
              {"version", 1},
              {"created_at", "2026-01-02T03:04:05Z"},
              {"created_by", "ana"},
              {"updated_at", "2026-01-02T03:04:05Z"},
              {"updated_by", "ana"},
              {"source", "store"},
              {"declared_in", nullptr}};
  Json given = Json::object();
  if (noun.name == "key") out["last_used_at"] = nullptr;
  if (noun.find("not_declared_here") != nullptr) out["not_declared_here"] = Json::array();
  for (const model::Field& field : noun.fields) {
    if (field.kind == model::FieldKind::integer && field.is_required) given[field.name] = field.min;
    if (field.kind == model::FieldKind::text && field.is_required) given[field.name] = "x";
    if (!with_values) continue;
    if (!field.choices.empty()) {
      const bool is_list = field.kind == model::FieldKind::texts;
      given[field.name] = is_list ? Json::array({field.choices[0]}) : Json(field.choices[0]);
      continue;
    }
    if (field.kind == model::FieldKind::reference || field.kind == model::FieldKind::text)
      given[field.name] = "x";
    if (field.kind == model::FieldKind::references) given[field.name] = {"x"};
    if (field.kind == model::FieldKind::time) given[field.name] = "2026-01-02T03:04:05Z";
  }
  if (!with_values) given["name"] = "x";
  out.update(model::complete(noun, given));
  return model::shown(noun, out);
}

}  // namespace

TEST_CASE("each route is in the description, with its scope, and nothing else is") {
  ApiFixture f;
  const Json document = document_of(f);
  CHECK(document["openapi"] == "3.1.0");
  size_t operations = 0;
  std::set<std::string> ids;
  for (const Route& route : f.server->router().routes()) {
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    REQUIRE(document["paths"].contains(route.pattern));
    REQUIRE(document["paths"][route.pattern].contains(lower(route.method)));
    const Json& operation = document["paths"][route.pattern][lower(route.method)];
    CHECK(operation["summary"] == route.description);
    CHECK(operation.value("x-required-scope", "") == route.scope);
    CHECK((operation.contains("security") && operation["security"].empty()) == route.is_open());
    CHECK(ids.insert(operation["operationId"]).second);
    CHECK(operation["responses"].contains(std::to_string(route.exchange.status)));
    CHECK(operation["responses"].contains("401") == (!route.is_open() || route.pattern.ends_with("/login")));
    size_t in_path = 0, in_query = 0;
    for (const Json& parameter : operation.value("parameters", Json::array())) {
      if (!parameter.contains("$ref")) {
        CHECK(parameter["name"].is_string());
        CHECK(parameter["schema"]["type"].is_string());
        CHECK(parameter.value("required", false) == (parameter["in"] == "path"));
      }
      in_path += parameter.value("in", "") == "path" ? 1 : 0;
      in_query += parameter.value("in", "") == "query" ? 1 : 0;
    }
    CHECK(in_path == static_cast<size_t>(std::count(route.pattern.begin(), route.pattern.end(), '{')));
    CHECK(in_query == route.parameters.size());
  }
  for (const auto& [path, methods] : document["paths"].items()) operations += methods.size();
  CHECK(operations == f.server->router().routes().size());
}

TEST_CASE("what the description refers to is there, and all that is there is referred to") {
  ApiFixture f;
  const Json document = document_of(f);
  std::set<std::string> used;
  each_reference(document, [&](const std::string& reference) {
    CAPTURE(reference);
    REQUIRE(reference.starts_with("#/"));
    CHECK(document.contains(Json::json_pointer(reference.substr(1))));
    used.insert(reference);
  });
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    CAPTURE(name);
    CHECK(used.contains("#/components/schemas/" + name));
    // Other systems have lists without a frame.
    const bool is_list = (name.starts_with("Proxy") || name.starts_with("Rusty")) && name.ends_with("List");
    CHECK(schema["type"] == (is_list ? "array" : "object"));
  }
}

TEST_CASE("answers fit their schemas") {
  ApiFixture f;
  const Json document = document_of(f);
  f.put_user("ana", auth::Scopes::all(), "secret of ana");
  const Browser browser(f, "ana", "secret of ana");
  model::SessionInfo session;
  session.id = uuid_v7(1'000'000, 5);
  f.directory.sessions = {session};
  const auto check = [&](const std::string& path, const std::string& pattern, const std::string& response,
                         const std::string& method = "get") {
    CAPTURE(path);
    const std::string status = std::to_string(status_of(response));
    const Json& answers = document["paths"][pattern][method]["responses"];
    REQUIRE_MESSAGE(answers.contains(status), status);
    const std::string type = header_of(response, "Content-Type");
    REQUIRE_MESSAGE(answers[status]["content"].contains(type), type);
    CHECK(misfit(document, answers[status]["content"][type]["schema"], json_of(response), "") == "");
  };
  for (const char* path : {"/healthz", "/readyz", "/api/v1/version", "/api/v1/stats", "/api/v1/sessions",
                           "/api/v1/auth/me", "/api/v1/permissions", "/api/openapi.json"}) {
    check(path, path, f.ask("GET", path, as_admin()));
  }
  check("me", "/api/v1/auth/me", f.ask("GET", "/api/v1/auth/me", browser.headers()));
  check("login", "/api/v1/auth/login", browser.response, "post");
  check("no login", "/api/v1/auth/login", f.ask("POST", "/api/v1/auth/login", "", "{}"), "post");
  const std::string one = "/api/v1/sessions/" + to_string(session.id);
  check(one, "/api/v1/sessions/{id}", f.ask("GET", one, as_admin()));
  check(one, "/api/v1/sessions/{id}", f.ask("DELETE", one, as_admin()), "delete");
  check("explain", "/api/v1/policy/explain", f.ask("POST", "/api/v1/policy/explain", as_admin(), "{}"),
        "post");
  for (const model::Noun* noun : model::nouns()) {
    const std::string pattern = "/api/v1/" + std::string(noun->plural);
    for (const bool with_values : {false, true}) {
      f.records.next = {};
      f.records.next.version = 1;
      f.records.next.body = record_of(*noun, with_values);
      check(pattern, pattern + "/{id}", f.ask("GET", pattern + "/x", as_admin()));
      f.records.next.body = {{"items", {f.records.next.body}}, {"next_cursor", nullptr}};
      check(pattern, pattern, f.ask("GET", pattern, as_admin()));
    }
    f.records.next.kind = control::Answer::Kind::invalid;
    f.records.next.defects = {{"name", "is wrong"}};
    check(pattern, pattern, f.ask("POST", pattern, as_admin(), "{}"), "post");
  }
  // The check itself finds what does not fit.
  const Json status = {{"$ref", "#/components/schemas/Status"}};
  CHECK(misfit(document, status, {{"status", "ok"}}, "") == "");
  CHECK(misfit(document, status, {{"status", 7}}, "") == ".status is a integer");
  CHECK(misfit(document, status, Json::object(), "") == " misses status");
  CHECK(misfit(document, status, {{"status", "ok"}, {"more", 1}}, "") == " has a more");
}

TEST_CASE("what a schema demands of a new record is what the model demands") {
  ApiFixture f;
  const Json schemas = document_of(f)["components"]["schemas"];
  const Json user = schemas["NewUser"];
  CHECK(user["required"] == Json{"name"});
  CHECK(user["properties"].contains("password"));
  CHECK(user["properties"]["enabled"]["default"] == true);
  for (const char* hidden : {"password_hash", "verifier", "password_set_at", "id"})
    CHECK(!user["properties"].contains(hidden));
  CHECK(!schemas["UserChange"]["properties"].contains("name"));
  CHECK(!schemas["User"]["properties"].contains("password"));
  CHECK(schemas["User"]["properties"].contains("password_set_at"));
  CHECK(schemas["NewUserGroup"]["required"] == Json{"name"});
}

TEST_CASE("the page of the description runs nothing but its own script, and is for the proven") {
  ApiFixture f;
  for (const char* path : {"/api/docs", "/api/docs.js", "/api/docs.css", "/api/openapi.json"})
    CHECK(status_of(f.ask("GET", path)) == 401);
  const std::string page = f.ask("GET", "/api/docs", as_admin());
  CHECK(header_of(page, "Content-Type") == "text/html; charset=utf-8");
  CHECK(header_of(page, "Content-Security-Policy").starts_with("default-src 'self'"));
  CHECK(has(page, "<script src=\"/api/docs.js\" defer></script>"));
  for (const char* inline_one : {"<script>", "<style", "onclick", "http://", "https://", "style="})
    CHECK(!has(body_of(page), inline_one));
  const std::string script = f.ask("GET", "/api/docs.js", as_admin());
  CHECK(header_of(script, "Content-Type") == "text/javascript; charset=utf-8");
  for (const char* unsafe : {"innerHTML", "eval(", "document.write", "http://", "https://"})
    CHECK(!has(body_of(script), unsafe));
  CHECK(has(script, "/api/openapi.json"));
}

TEST_CASE("the permissions are the scopes that routes need, and the roles that come built in") {
  ApiFixture f;
  const Json answer = json_of(f.ask("GET", "/api/v1/permissions", as_admin()));
  std::set<std::string> needed, told;
  for (const Route& route : f.server->router().routes())
    for (const std::string& scope : {route.scope, route.own_scope})
      if (!scope.empty()) needed.insert(scope);
  for (const Json& scope : answer["scopes"]) {
    told.insert(scope["name"]);
    CHECK(!scope["routes"].empty());
  }
  CHECK(told == needed);
  CHECK(needed.contains("users:write"));
  std::string roles;
  for (const Json& role : answer["roles"]) roles += role["name"].get<std::string>() + " ";
  CHECK(roles == "admin auditor approver user ");
}
