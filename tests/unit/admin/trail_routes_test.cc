// The trail and the configuration over HTTP.
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;
using TrailKind = control::Answer::Kind;

namespace {

const std::string row_id = "0198d0f4-0000-7000-8000-000000000009";

}  // namespace

TEST_CASE("a list of the trail takes filters, and each part asks for its own rows") {
  ApiFixture f;
  f.trail.next.body = {{"items", Json::array()}, {"next_cursor", nullptr}};
  CHECK(status_of(f.ask("GET", "/api/v1/queries?user=ana&limit=7&cursor=c", as_admin())) == 200);
  REQUIRE(f.trail.lists.size() == 1);
  CHECK(f.trail.lists[0].part == audit::TrailPart::queries);
  CHECK(f.trail.lists[0].limit == 7);
  CHECK(f.trail.lists[0].cursor == "c");
  CHECK(f.trail.lists[0].filters == std::vector<std::pair<std::string, std::string>>{{"user", "ana"}});
  f.ask("GET", "/api/v1/audit?action=VIEW", as_admin());
  CHECK(f.trail.lists[1].part == audit::TrailPart::events);
  f.ask("GET", "/api/v1/connections", as_admin());
  CHECK(f.trail.lists[2].part == audit::TrailPart::connections);
  CHECK(status_of(f.ask("GET", "/api/v1/connections?outcome=x", as_admin())) == 400);
  CHECK(status_of(f.ask("GET", "/api/v1/queries/x", as_admin())) == 400);
  CHECK(f.trail.lists.size() == 3);
}

TEST_CASE("what the trail does not answer has its status") {
  ApiFixture f;
  f.trail.next.kind = TrailKind::invalid;
  CHECK(status_of(f.ask("GET", "/api/v1/queries?limit=x", as_admin())) == 400);
  f.trail.next.kind = TrailKind::conflict;
  CHECK(status_of(f.ask("GET", "/api/v1/queries", as_admin())) == 422);
  f.trail.next.kind = TrailKind::not_found;
  CHECK(status_of(f.ask("GET", "/api/v1/queries/" + row_id, as_admin())) == 404);
  f.trail.next.kind = TrailKind::unavailable;
  CHECK(status_of(f.ask("GET", "/api/v1/audit/" + row_id, as_admin())) == 503);
}

TEST_CASE("DBBat's queries have its names, and numbers where the trail has names") {
  ApiFixture f;
  f.records.people[std::string("2")] = {{"id", row_id}, {"number", 2}, {"name", "ana"}};
  f.records.people[std::string("ana")] = f.records.people["2"];
  f.trail.next.body = {{"items",
                        {{{"id", row_id},
                          {"session_id", row_id},
                          {"user", "ana"},
                          {"target", "shop"},
                          {"statement", "SELECT 1"},
                          {"duration_us", 1'500},
                          {"rows", 1},
                          {"parameters", {"a"}},
                          {"error_message", nullptr}}}},
                       {"next_cursor", nullptr}};
  const Json shown = json_of(f.ask("GET", "/api/queries?user_id=2&connection_id=" + row_id, as_admin()));
  CHECK(f.trail.lists[0].filters ==
        std::vector<std::pair<std::string, std::string>>{{"user", "ana"}, {"session_id", row_id}});
  const Json& query = shown["queries"][0];
  CHECK(query["uid"] == row_id);
  CHECK(query["user_id"] == 2);
  CHECK(query["user"] == "ana");
  CHECK(query["database_id"].is_null());
  CHECK(query["sql_text"] == "SELECT 1");
  CHECK(query["duration_ms"] == 1.5);
  CHECK(query["rows_affected"] == 1);
  CHECK(query["parameters"]["values"][0] == "a");
  CHECK(status_of(f.ask("GET", "/api/queries?user_id=3", as_admin())) == 400);
  CHECK(status_of(f.ask("GET", "/api/queries?user_id=eve", as_admin())) == 200);
  CHECK(f.trail.lists.back().filters == std::vector<std::pair<std::string, std::string>>{{"user", "eve"}});
}

TEST_CASE("DBBat's kinds of events stand for an action and what it was done to") {
  ApiFixture f;
  f.trail.next.body = {{"items",
                        {{{"id", row_id},
                          {"action", "CREATE"},
                          {"entity_type", "target"},
                          {"user", nullptr},
                          {"reason", "r"}}}},
                       {"next_cursor", nullptr}};
  const Json shown = json_of(f.ask("GET", "/api/audit?event_type=database.created", as_admin()));
  CHECK(f.trail.lists[0].filters ==
        std::vector<std::pair<std::string, std::string>>{{"action", "CREATE"}, {"entity_type", "target"}});
  CHECK(shown["audit_events"][0]["event_type"] == "database.created");
  CHECK(shown["audit_events"][0]["performed_by"].is_null());
  CHECK(shown["audit_events"][0]["details"]["reason"] == "r");
  CHECK(status_of(f.ask("GET", "/api/audit?event_type=user.created&action=VIEW", as_admin())) == 400);
}
