#include <doctest/doctest.h>

#include <algorithm>

#include "import_plan.h"
#include "ringfence/base/clock.h"

using namespace ringfence::client;
using ringfence::model::Json;

namespace {

constexpr uint64_t import_now_us = 1'800'000'000'000'000;  // 2027-01-15.

Json shape_of(const Json& controls) { return {{"uid", "d1"}, {"controls", controls}, {"is_active", true}}; }

Json grant_with(const Json& shape, const Json& more = Json::object()) {
  Json out = {{"uid", "g1"},
              {"user_id", "u1"},
              {"database_id", "s1"},
              {"expires_at", "2099-01-01T00:00:00Z"},
              {"definition", shape}};
  out.update(more);
  return out;
}

ImportPlan plan_of(const Json& grant, const Json& definitions = Json::array()) {
  DbbatRecords records;
  records.users = {{{"uid", "u1"}, {"username", "ana"}, {"roles", {"connector"}}}};
  records.servers = {{{"uid", "s1"}, {"name", "shop"}, {"host", "db"}, {"port", 5432}, {"username", "app"}}};
  records.server_groups = {{{"uid", "f1"}, {"name", "fleet"}, {"member_uids", {"s1"}}}};
  records.definitions = definitions;
  if (!grant.is_null()) records.grants.push_back(grant);
  return plan_dbbat(records, import_now_us, false);
}

// The grant's body; null: it is left out.
Json granted(const Json& grant, const Json& definitions = Json::array()) {
  for (const PlannedRecord& record : plan_of(grant, definitions).records)
    if (record.noun->name == "grant") return record.body;
  return {};
}

std::string left_out(const Json& grant) {
  for (const Remark& remark : plan_of(grant).remarks)
    if (remark.path == "grant g1") return remark.message;
  return "";
}

// Message about a variable.
std::string about(const TranslatedEnvironment& environment, const std::string& name) {
  for (const Remark& remark : environment.remarks)
    if (remark.path == name) return remark.message;
  return "";
}

}  // namespace

TEST_CASE("a grant's controls give its level, and full access there is level ddl") {
  CHECK(granted(grant_with(shape_of({"read_only", "block_copy"})))["level"] == "read");
  CHECK(granted(grant_with(shape_of({"block_ddl"})))["level"] == "write");
  CHECK(granted(grant_with(shape_of(Json::array())))["level"] == "ddl");
  CHECK(granted(grant_with(shape_of({"block_copy"})))["controls"] == Json({"block_copy"}));
  CHECK(granted(grant_with(shape_of(nullptr)))["level"] == "ddl");
}

TEST_CASE("a grant of an earlier version has its controls or its access level itself") {
  Json old = grant_with(nullptr);
  old.erase("definition");
  CHECK(granted(old).is_null());
  old["access_level"] = "read";
  CHECK(granted(old)["level"] == "read");
  old["access_level"] = "root";
  CHECK(granted(old).is_null());
  old["controls"] = {"block_ddl"};
  CHECK(granted(old)["level"] == "write");
}

TEST_CASE("a grant without its definition beside it takes the listed one") {
  Json grant = grant_with(nullptr, {{"grant_definition_id", "d1"}});
  CHECK(granted(grant, Json::array({shape_of({"read_only"})}))["level"] == "read");
  Json off = shape_of({"read_only"});
  off["is_active"] = false;
  CHECK(granted(grant, Json::array({off})).is_null());
}

TEST_CASE("what is left of a budget there is the budget here") {
  Json shape = shape_of({"read_only"});
  shape["max_query_counts"] = 10;
  shape["max_bytes_transferred"] = 1'000;
  const Json grant = granted(grant_with(shape, {{"query_count", 9}, {"bytes_transferred", -5}}));
  CHECK(grant["max_queries"] == 1);
  CHECK(grant["max_bytes"] == 1'000);
  CHECK(left_out(grant_with(shape, {{"query_count", 10}})) == "is left out: its max_query_counts is used up");
  shape["max_query_counts"] = "10";
  CHECK(left_out(grant_with(shape)) == "is left out: its max_query_counts is no whole number");
}

TEST_CASE("the longest time of a statement is kept; 0 and null are none") {
  Json shape = shape_of({"read_only"});
  shape["statement_timeout_seconds"] = 30;
  CHECK(granted(grant_with(shape))["statement_ms"] == 30'000);
  shape["statement_timeout_seconds"] = 0;
  CHECK(!granted(grant_with(shape)).contains("statement_ms"));
  shape["statement_timeout_seconds"] = INT64_MAX;
  CHECK(granted(grant_with(shape))["statement_ms"] == 86'400'000);
}

TEST_CASE("times lose what is beyond a microsecond, and a window that is over gives no grant") {
  const Json shape = shape_of({"read_only"});
  const Json grant = granted(grant_with(shape, {{"starts_at", "2026-01-02T03:04:05.123456789+02:00"},
                                                {"expires_at", "2030-01-01T00:00:00.1Z"}}));
  CHECK(grant["starts_at"] == "2026-01-02T01:04:05.123456Z");
  CHECK(grant["expires_at"] == "2030-01-01T00:00:00.100000Z");
  CHECK(left_out(grant_with(shape, {{"expires_at", ringfence::rfc3339(import_now_us)}})) ==
        "is left out: it has expired");
  CHECK(left_out(grant_with(shape, {{"expires_at", nullptr}})) == "is left out: its expires_at is no time");
  CHECK(left_out(grant_with(shape, {{"starts_at", "0001-01-01T00:00:00Z"}})) ==
        "is left out: its starts_at is no time");
  CHECK(left_out(grant_with(shape, {{"revoked_at", "2026-01-01T00:00:00Z"}})) ==
        "is left out: it is revoked");
}

TEST_CASE("a grant whose statements wait for an approver is left out") {
  Json shape = shape_of({"read_only"});
  shape["approval_patterns"] = Json::array();
  CHECK(!granted(grant_with(shape)).is_null());
  shape["approval_patterns"] = {"^DELETE"};
  CHECK(granted(grant_with(shape)).is_null());
  shape["approval_patterns"] = "^DELETE";
  CHECK(granted(grant_with(shape)).is_null());
}

TEST_CASE("a grant of a server group is on the targets of that group") {
  const Json shape = shape_of({"read_only"});
  const Json grant = granted(grant_with(shape, {{"server_group_uid", "f1"}}));
  CHECK(grant["target_group"] == "fleet");
  CHECK(!grant.contains("target"));
  CHECK(granted(grant_with(shape, {{"server_group_uid", "f2"}})).is_null());
}

TEST_CASE("records stand in an order in which each refers to earlier ones") {
  std::vector<std::string> nouns;
  for (const PlannedRecord& record : plan_of(grant_with(shape_of({"read_only"}))).records)
    nouns.emplace_back(record.noun->name);
  CHECK(nouns == std::vector<std::string>{"target_group", "user", "target", "grant"});
}

TEST_CASE("variables become keys, and the value of one without a counterpart is not repeated") {
  const TranslatedEnvironment out = translate_dbbat_environment(
      "DBB_LISTEN_PG=[::1]:5433\nDBB_PG_TLS_DISABLE=true\nDBB_DSN=postgres://u:secret@h/"
      "d\nDBB_SLACK_SIGNING_SECRET=secret\n");
  CHECK(out.yaml ==
        "listeners:\n  - name: postgres\n    address: \"::1\"\n    port: 5433\n    tls: \"off\"\n");
  CHECK(about(out, "DBB_DSN").find("secret") == std::string::npos);
  CHECK(about(out, "DBB_SLACK_SIGNING_SECRET").starts_with("no counterpart"));
}

TEST_CASE("a retention of whole hours becomes days, rounded up") {
  const auto days = [](const std::string& text) {
    return translate_dbbat_environment("DBB_QUERY_STORAGE_RETENTION=" + text).yaml;
  };
  CHECK(days("24h") == "audit:\n  retention_days: 1\n");
  CHECK(days("25h0m0s") == "audit:\n  retention_days: 2\n");
  CHECK(days("0") == "audit:\n  retention_days: 36500\n");
  for (const char* text : {"", "h", "30m", "-5h", "1.5h", "99999999999999999999h", "0m", "0h0"})
    CHECK(days(text).empty());
}

TEST_CASE("addresses that are none are said") {
  for (const char* text : {"5433", ":0", ":65536", "db.internal:5433", ":x", "[::1:5433]", ":"}) {
    const auto out = translate_dbbat_environment(std::string("DBB_LISTEN_PG=") + text);
    CHECK(out.yaml.empty());
    CHECK(about(out, "DBB_LISTEN_PG").find("is no address") != std::string::npos);
  }
  CHECK(translate_dbbat_environment("DBB_LISTEN_PG=\n").yaml.empty());
  CHECK(translate_dbbat_environment("DBB_LISTEN_PG=:1\nDBB_LISTEN_PG=:2\n").yaml.find("port: 2") !=
        std::string::npos);
}
