#include <doctest/doctest.h>

#include <algorithm>

#include "import_plan.h"

using namespace ringfence::client;
using ringfence::model::Json;

namespace {

ImportPlan planned(const std::string& text, const std::string& level = "read") {
  auto plan = plan_port_authorizing(text, "config.yaml", level);
  REQUIRE(plan);
  return *plan;
}

// "role developer@4"
std::vector<std::string> records_of(const ImportPlan& plan) {
  std::vector<std::string> out;
  for (const PlannedRecord& record : plan.records)
    out.push_back(std::string(record.noun->name) + " " + record.body["name"].get<std::string>() + "@" +
                  std::to_string(record.line));
  return out;
}

Json body_of(const ImportPlan& plan, const std::string& name) {
  for (const PlannedRecord& record : plan.records)
    if (record.body["name"] == name) return record.body;
  return {};
}

// Line and message of the remark about this path.
std::string remark_about(const ImportPlan& plan, const std::string& path) {
  for (const Remark& remark : plan.remarks)
    if (remark.path == path) return std::to_string(remark.line) + " " + remark.message;
  return "";
}

}  // namespace

TEST_CASE("users, connections and policies become records in an order in which each refers to earlier ones") {
  const ImportPlan plan = planned(
      "policies:\n"
      "  - {name: dev, roles: [developer], tags: [test, eu], tag_match: any, whitelist: ['^SELECT'], "
      "metadata: {a: b}}\n"
      "connections:\n"
      "  - name: shop\n"
      "    type: postgres\n"
      "    host: db.internal\n"
      "    port: 5433\n"
      "    tags: [test]\n"
      "    backend_username: app\n"
      "    backend_password: secret\n"
      "    backend_database: shopdb\n"
      "    metadata: {description: The shop}\n"
      "auth:\n"
      "  users:\n"
      "    - {username: ana, password: pw, roles: [developer]}\n");
  CHECK(records_of(plan) ==
        std::vector<std::string>{"role developer@2", "user ana@15", "target shop@4", "policy dev@2"});
  CHECK(body_of(plan, "ana") ==
        Json{{"name", "ana"}, {"password", "pw"}, {"roles", {"developer"}}, {"must_change_password", true}});
  CHECK(body_of(plan, "shop") == Json{{"name", "shop"},
                                      {"type", "postgres"},
                                      {"hosts", {"db.internal"}},
                                      {"port", 5433},
                                      {"tags", {"test"}},
                                      {"user", "app"},
                                      {"password", "secret"},
                                      {"database", "shopdb"},
                                      {"description", "The shop"}});
  CHECK(body_of(plan, "dev") == Json{{"name", "dev"},
                                     {"roles", {"developer"}},
                                     {"tags", {"test", "eu"}},
                                     {"tag_match", "any"},
                                     {"whitelist", {"^SELECT"}},
                                     {"level", "read"},
                                     {"metadata", {{"a", "b"}}}});
  CHECK(plan.remarks.empty());
}

TEST_CASE("nobody gets scopes by an import") {
  const ImportPlan plan = planned(
      "auth: {users: [{username: root, roles: [admin, dba]}]}\n"
      "policies: [{name: all, roles: [admin], whitelist: [x]}]\n");
  CHECK(body_of(plan, "root")["roles"] == Json({"imported-admin", "dba"}));
  CHECK(body_of(plan, "all")["roles"] == Json({"imported-admin"}));
  CHECK(!body_of(plan, "imported-admin").is_null());
  CHECK(body_of(plan, "admin").is_null());
  CHECK(remark_about(plan, "auth.users[0].roles").find("becomes imported-admin") != std::string::npos);
}

TEST_CASE("what has no counterpart is said with its line") {
  const ImportPlan plan = planned(
      "server: {port: 8080}\n"
      "security: {enable_llm_analysis: true}\n"
      "auth:\n"
      "  jwt_secret: x\n"
      "  users: []\n"
      "approval:\n"
      "  enabled: true\n"
      "  patterns: [{pattern: '^DELETE'}]\n"
      "connections:\n"
      "  - {name: web, type: http, host: h, port: 80}\n"
      "  - {name: raw, type: tcp, host: h, port: x, duration: 1h, colour: red}\n"
      "  - {name: env, type: postgres, host: h, backend_password: '${DB}', whitelist: [a], metadata: "
      "{environment: test}}\n"
      "  - nonsense\n");
  CHECK(remark_about(plan, "server.port") == "1 has no counterpart");
  CHECK(remark_about(plan, "security.enable_llm_analysis") == "2 has no counterpart");
  CHECK(remark_about(plan, "auth.jwt_secret").starts_with("4 has no counterpart"));
  CHECK(remark_about(plan, "approval.patterns").starts_with("8 statements wait for nobody's word"));
  CHECK(remark_about(plan, "connections[0]").find("type http are not supported yet; web is left out") !=
        std::string::npos);
  CHECK(remark_about(plan, "connections[1]").find("needs a listener") != std::string::npos);
  CHECK(remark_about(plan, "connections[1].port").find("is no port") != std::string::npos);
  CHECK(remark_about(plan, "connections[1].duration").find("expires_at") != std::string::npos);
  CHECK(remark_about(plan, "connections[1].colour") == "11 has no counterpart");
  CHECK(remark_about(plan, "connections[2].backend_password").find("never expanded") != std::string::npos);
  CHECK(remark_about(plan, "connections[2].whitelist").find("give them to a policy") != std::string::npos);
  CHECK(remark_about(plan, "connections[2].metadata.environment").find("use tags") != std::string::npos);
  CHECK(remark_about(plan, "connections[3]").find("left out") != std::string::npos);
  CHECK(records_of(plan) == std::vector<std::string>{"target raw@11", "target env@12"});
  CHECK(!body_of(plan, "env").contains("password"));
}

TEST_CASE("a policy gets no more than the level that was asked for, and it is said where that is less") {
  const char* text =
      "policies:\n"
      "  - {name: open, roles: [a]}\n"
      "  - {name: empty, roles: [a], whitelist: []}\n"
      "  - {name: writes, roles: [a], whitelist: ['^(select|update) ']}\n"
      "  - {name: reads, roles: [a], whitelist: ['^SELECT']}\n";
  const ImportPlan plan = planned(text);
  for (const char* name : {"open", "empty", "writes", "reads"}) CHECK(body_of(plan, name)["level"] == "read");
  CHECK(!body_of(plan, "empty").contains("whitelist"));
  CHECK(remark_about(plan, "policies[0]").find("its level read is the bound") != std::string::npos);
  CHECK(remark_about(plan, "policies[1]").find("its level read is the bound") != std::string::npos);
  CHECK(remark_about(plan, "policies[2].whitelist").find("level write, which level read refuses") !=
        std::string::npos);
  CHECK(remark_about(plan, "policies[3].whitelist").empty());
  CHECK(remark_about(planned(text, "write"), "policies[2].whitelist").empty());
  CHECK(body_of(planned(text, "write"), "writes")["level"] == "write");
}

TEST_CASE("a file of something else is refused") {
  for (const char* text : {"", "a: [", "- 1", "7", "listeners: []", "auth: {}\nauth: {}\n"}) {
    CAPTURE(text);
    auto plan = plan_port_authorizing(text, "config.yaml", "read");
    REQUIRE(!plan);
    CHECK(plan.error().exit == Exit::usage);
    CHECK(plan.error().message.find("config.yaml") != std::string::npos);
  }
}
