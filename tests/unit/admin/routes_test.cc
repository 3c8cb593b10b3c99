#include <nlohmann/json.hpp>

#include "fixture.h"

using namespace ringfence;
using namespace ringfence::admin;
using Json = nlohmann::json;

namespace {

model::SessionInfo view(uint64_t n, const std::string& user = "alice", const std::string& target = "shop") {
  model::SessionInfo session;
  session.id = uuid_v7(1'700'000'000'000'000 + n * 1000, n);
  session.user = user;
  session.target = target;
  session.state = "idle";
  session.connected_at_us = 1'767'323'045'000'006;
  return session;
}

}  // namespace

TEST_CASE("health needs no token and says ok") {
  Fixture f;
  std::string response = f.get("/healthz", false);
  CHECK(status_of(response) == 200);
  CHECK(body_of(response) == "{\"status\":\"ok\"}\n");
  CHECK(has(response, "Cache-Control: no-store\r\n"));
  CHECK(has(response, "X-Content-Type-Options: nosniff\r\n"));
  CHECK(f.failures.empty());
}

TEST_CASE("readiness is 503 with the reason until the appliance is ready") {
  Fixture f;
  f.readiness = {false, "starting: the store does not answer yet"};
  std::string response = f.get("/readyz", false);
  CHECK(status_of(response) == 503);
  CHECK(Json::parse(body_of(response))["detail"] == "starting: the store does not answer yet");
  f.readiness = {true, ""};
  CHECK(body_of(f.get("/readyz", false)) == "{\"status\":\"ready\"}\n");
}

TEST_CASE("everything else needs the token, and a failure is counted and reported") {
  Fixture f;
  std::string response = f.get("/api/v1/stats", false);
  CHECK(status_of(response) == 401);
  CHECK(has(response, "WWW-Authenticate: Basic realm=\"ringfence\", charset=\"UTF-8\"\r\n"));
  CHECK(has(response, "WWW-Authenticate: Bearer realm=\"ringfence\"\r\n"));
  CHECK(has(response, "Content-Type: application/problem+json\r\n"));
  auto with = [&](const std::string& authorization) {
    return status_of(f.talk("GET /api/v1/version HTTP/1.1\r\nHost: x\r\n" + authorization + "\r\n\r\n"));
  };
  CHECK(with("Authorization: Bearer " + token) == 200);
  CHECK(with("authorization: bearer " + token) == 200);
  CHECK(with("Authorization: Bearer " + token + "x") == 401);
  CHECK(with("Authorization: Bearer") == 401);
  CHECK(with("Authorization: Basic " + token) == 401);
  CHECK(with("Authorization: Bearer " + token + "\r\nAuthorization: Bearer " + token) == 400);
  REQUIRE(f.failures.size() == 5);
  CHECK(f.failures[0].reason == "missing");
  CHECK(f.failures[0].path == "/api/v1/stats");
  CHECK(f.failures[1].reason == "wrong");
  CHECK(f.failures[1].proof == "admin token");
  CHECK(f.failures[4].reason == "several");
  CHECK(f.server->counters().authentication_failures == 5);
  // Who has no token does not learn what exists.
  CHECK(status_of(f.get("/nothing", false)) == 401);
  CHECK(status_of(f.request("PATCH", "/api/v1/stats", false)) == 401);
}

TEST_CASE("metrics need the token unless they are public") {
  Fixture closed;
  CHECK(status_of(closed.get("/metrics", false)) == 401);
  Fixture open(1, true);
  std::string response = open.get("/metrics", false);
  CHECK(status_of(response) == 200);
  CHECK(has(response, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  CHECK(has(response, "# HELP test_total A test.\n# TYPE test_total counter\ntest_total 5\n"));
  CHECK(has(response, "ringfence_build_info{version=\"" RINGFENCE_VERSION "\",node=\"gate\"} 1\n"));
  CHECK(has(response, "ringfence_admin_requests_total 1\n"));
  CHECK(has(response, "ringfence_admin_streams_stalled_total 0\n"));
}

TEST_CASE("unknown paths are 404, other methods 405 with what is allowed, HEAD has no body") {
  Fixture f;
  CHECK(status_of(f.get("/nothing")) == 404);
  CHECK(status_of(f.get("/api/v1/sessions/")) == 404);
  CHECK(status_of(f.get("/healthz/")) == 404);
  std::string response = f.request("POST", "/api/v1/sessions/" + to_string(view(1).id));
  CHECK(status_of(response) == 405);
  CHECK(has(response, "Allow: GET, HEAD, DELETE\r\n"));
  CHECK(status_of(f.request("DELETE", "/healthz", false)) == 405);
  response = f.request("HEAD", "/healthz", false);
  CHECK(status_of(response) == 200);
  CHECK(has(response, "Content-Length: 16\r\n"));
  CHECK(body_of(response).empty());
  // A segment is decoded before it is compared.
  CHECK(status_of(f.get("/api/v1/%73tats")) == 200);
}

TEST_CASE("a query that is not understood is refused") {
  Fixture f;
  CHECK(status_of(f.get("/healthz?x=1", false)) == 400);
  CHECK(status_of(f.get("/api/v1/sessions?usr=a")) == 400);
  CHECK(status_of(f.get("/api/v1/sessions?user=a&user=b")) == 400);
  for (const char* bad : {"limit=0", "limit=1001", "limit=ten", "limit=5x", "limit=", "cursor=zz"}) {
    CHECK(status_of(f.get("/api/v1/sessions?" + std::string(bad))) == 400);
  }
}

TEST_CASE("sessions come in pages that a cursor continues, each once") {
  Fixture f;
  for (uint64_t n : {7u, 3u, 5u, 1u, 6u, 2u, 4u})
    f.directory.sessions.push_back(view(n, n % 2 == 0 ? "bob" : "alice"));
  std::string cursor;
  std::vector<std::string> seen;
  for (int page = 0; page < 3; ++page) {
    Json answer =
        Json::parse(body_of(f.get("/api/v1/sessions?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor))));
    for (const auto& session : answer["sessions"]) seen.push_back(session["id"]);
    CHECK(answer["next_cursor"].is_null() == (page == 2));
    if (page < 2) cursor = answer["next_cursor"];
  }
  REQUIRE(seen.size() == 7);
  for (uint64_t n = 1; n <= 7; ++n) CHECK(seen[n - 1] == to_string(view(n).id));
  CHECK(Json::parse(body_of(f.get("/api/v1/sessions?user=bob")))["sessions"].size() == 3);
  CHECK(Json::parse(body_of(f.get("/api/v1/sessions?target=none")))["sessions"].empty());
}

TEST_CASE("one session is shown with times in UTC, whatever bytes its client called itself by") {
  Fixture f;
  f.directory.sessions.push_back(view(1));
  f.directory.sessions[0].application_name = "ps\xffql";
  Json session = Json::parse(body_of(f.get("/api/v1/sessions/" + to_string(view(1).id))));
  CHECK(session["user"] == "alice");
  CHECK(session["connected_at"] == "2026-01-02T03:04:05.000006Z");
  CHECK(session["running_since"].is_null());
  CHECK(session["application_name"] == "ps\xef\xbf\xbdql");
  CHECK(status_of(f.get("/api/v1/sessions/" + to_string(view(2).id))) == 404);
  CHECK(status_of(f.get("/api/v1/sessions/one")) == 400);
}

TEST_CASE("ending a session is accepted, 404 or 400, and says who asked") {
  Fixture f;
  f.directory.sessions.push_back(view(1));
  CHECK(status_of(f.request("DELETE", "/api/v1/sessions/" + to_string(view(1).id))) == 202);
  REQUIRE(f.directory.ended.size() == 1);
  CHECK(f.directory.ended[0] == to_string(view(1).id) + " by admin token from memory");
  CHECK(status_of(f.request("DELETE", "/api/v1/sessions/" + to_string(view(2).id))) == 404);
  CHECK(status_of(f.request("DELETE", "/api/v1/sessions/x")) == 400);
}

TEST_CASE("an answer that does not come in time is 503, and may come later without harm") {
  Fixture f;
  f.directory.is_busy = true;
  Client& listing = f.connect();
  ring::spawn(
      listing.say("GET /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"));
  f.network.run();
  CHECK(listing.heard.empty());
  f.pass_ms(2'000);
  CHECK(status_of(listing.heard) == 503);
  CHECK(has(listing.heard, "Retry-After: 1\r\n"));
  CHECK(f.server->counters().answers_late == 1);
  f.directory.late_list({view(1)});
  // In time, but not at once.
  Client& ending = f.connect();
  ring::spawn(ending.say("DELETE /api/v1/sessions/" + to_string(view(1).id) +
                         " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n\r\n"));
  f.network.run();
  f.directory.late_end(true);
  f.directory.late_end(false);
  f.network.run();
  CHECK(status_of(ending.heard) == 202);
}

TEST_CASE("statistics are one JSON object") {
  Fixture f;
  f.stats.state = "ready";
  f.stats.sessions_open = 3;
  f.stats.statements = {{"success", 10}, {"failure", 2}};
  f.stats.trail.committed_rows = 12;
  f.stats.trail.state = "writing";
  Json stats = Json::parse(body_of(f.get("/api/v1/stats")));
  CHECK(stats["node"] == "gate");
  CHECK(stats["version"] == RINGFENCE_VERSION);
  CHECK(stats["sessions"]["open"] == 3);
  CHECK(stats["statements"]["total"] == 12);
  CHECK(stats["statements"]["by_outcome"]["failure"] == 2);
  CHECK(stats["trail"]["committed_rows"] == 12);
}

TEST_CASE("a question to the policies is passed on whole, with who asks") {
  Fixture f;
  f.policy_answer = PolicyAnswer{PolicyAnswer::Kind::answered, "{\"allowed\":true}\n"};
  std::string response = f.request("POST", "/api/v1/policy/explain", true, "{\"user\":\"ana\"}");
  CHECK(status_of(response) == 200);
  CHECK(has(response, "Content-Type: application/json\r\n"));
  CHECK(body_of(response) == "{\"allowed\":true}\n");
  REQUIRE(f.questions.size() == 1);
  CHECK(f.questions[0].starts_with("{\"user\":\"ana\"} by admin token from "));
  CHECK(status_of(f.request("POST", "/api/v1/policy/explain", false, "{}")) == 401);
  CHECK(status_of(f.get("/api/v1/policy/explain")) == 405);
  CHECK(f.questions.size() == 1);
}

TEST_CASE(
    "a question to the policies that makes no sense is a problem, and one without an answer is told to come "
    "again") {
  Fixture f;
  f.policy_answer = PolicyAnswer{PolicyAnswer::Kind::not_answered, "there is no user \"ana\""};
  std::string response = f.request("POST", "/api/v1/policy/explain", true, "{}");
  CHECK(status_of(response) == 422);
  CHECK(has(response, "Content-Type: application/problem+json\r\n"));
  CHECK(Json::parse(body_of(response))["detail"] == "there is no user \"ana\"");
  f.policy_answer.reset();
  Client& client = f.connect();
  ring::spawn(client.say("POST /api/v1/policy/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token +
                         "\r\nContent-Length: 2\r\n\r\n{}"));
  f.network.run();
  CHECK(client.heard.empty());
  f.pass_ms(30'000);
  CHECK(status_of(client.heard) == 503);
  CHECK(has(client.heard, "Retry-After: 1\r\n"));
  f.late_explain({PolicyAnswer::Kind::answered, "{}"});  // Goes nowhere.
}
