// The admin API over a control plane and a real store: what one request changes, the next one sees.
#include <fstream>

#include "api_client.h"
#include "control/plane_fixture.h"
#include "ringfence/auth/password_checker.h"
#include "ringfence/control/plane_records.h"

using namespace ringfence;
using namespace ringfence::admin;
using model::Json;

namespace {

// Answers come from other threads; the admin shard is not started, so that the test turns it.
struct Served {
  Served() : network(1) {
    control::testing::forget_all();
    node.emplace();
    auto checker = auth::PasswordChecker::make(workers);
    REQUIRE(checker);
    passwords = std::move(*checker);
    AdminOptions options;
    options.token_digest = crypto::sha256(token);
    Sources sources;
    sources.sessions = &directory;
    sources.in_force = [this] { return records.in_force(); };
    sources.records = &records;
    sources.check_password = [this](auth::PasswordAttempt attempt,
                                    std::function<void(auth::PasswordAnswer)> done) {
      passwords->check(std::move(attempt), node->home, std::move(done));
    };
    server = std::make_unique<AdminServer>(node->home, options, sources);
  }
  ~Served() {
    server->stop(0, [] {});
    for (auto& client : clients) client->stream->shutdown();
    node->home.turn_at(200'000'000'000);
    network.run();
    server.reset();
    node->plane->close();
  }
  std::string ask(const std::string& method, const std::string& path, const std::string& headers,
                  const Json& body = nullptr) {
    auto pair = network.make_pair(0);
    clients.push_back(std::make_unique<Client>(std::move(pair.left)));
    Client& client = *clients.back();
    server->serve(std::move(pair.right));
    ring::spawn(client.say(request_of(method, path, headers, body.is_null() ? "" : body.dump())));
    for (int i = 0; i < 20'000 && client.heard.empty(); ++i) {
      network.run();
      node->home.turn_at(1);
      if (client.heard.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE_MESSAGE(!client.heard.empty(), method << " " << path);
    std::string out = client.heard;
    client.stream->shutdown();
    network.run();
    std::erase_if(clients, [](const auto& one) { return one->has_ended; });
    return out;
  }
  std::string first_password() const {
    std::ifstream in(node->dir.path + "/initial-admin-password");
    std::string line;
    std::getline(in, line);
    return line;
  }

  net::MemoryNetwork network;
  FakeDirectory directory;
  ring::Workers workers{2, 16};
  control::PlaneRecords records;
  std::optional<control::testing::Node> node;
  std::unique_ptr<auth::PasswordChecker> passwords;
  std::unique_ptr<AdminServer> server;
  std::vector<std::unique_ptr<Client>> clients;
};

const std::string users = "/api/v1/users";

}  // namespace

TEST_CASE(
    "until the store has been read nobody but the token gets in; then the first administrator, who must "
    "change his password first") {
  Served s;
  const std::string first = basic("admin", s.first_password());
  CHECK(status_of(s.ask("GET", users, first)) == 503);
  CHECK(status_of(s.ask("GET", users, as_admin())) == 503);
  s.records.serve(*s.node->plane);
  CHECK(status_of(s.ask("GET", users, as_admin())) == 200);
  CHECK(status_of(s.ask("GET", users, first)) == 403);
  const Json weak = {{"current_password", s.first_password()}, {"new_password", "password"}};
  const std::string refused = s.ask("PUT", "/api/v1/auth/password", first, weak);
  CHECK(status_of(refused) == 422);
  CHECK(json_of(refused)["errors"][0]["field"] == "new_password");
  const Json strong = {{"current_password", s.first_password()}, {"new_password", "correct horse 7"}};
  CHECK(status_of(s.ask("PUT", "/api/v1/auth/password", first, strong)) == 204);
  CHECK(control::testing::last_change(s.node->trail) == "UPDATE user success");
  CHECK(status_of(s.ask("GET", users, first)) == 401);
  const std::string now = basic("admin", "correct horse 7");
  CHECK(json_of(s.ask("GET", users, now))["items"][0]["must_change_password"] == false);
  CHECK(json_of(s.ask("GET", "/api/v1/auth/me", now))["scopes"] == Json{"*"});
}

TEST_CASE("a user is made, read, changed and deleted, and what he may follows at once") {
  Served s;
  s.records.serve(*s.node->plane);
  const Json given = {{"name", "ana"}, {"password", "correct horse 7"}, {"roles", {"auditor"}}};
  const std::string made = s.ask("POST", users, as_admin() + "Idempotency-Key: k1\r\n", given);
  REQUIRE_MESSAGE(status_of(made) == 201, made);
  const Json record = json_of(made);
  CHECK(header_of(made, "Location") == users + "/" + record["id"].get<std::string>());
  CHECK(!record.contains("password"));
  // Once more by mistake: the same answer.
  CHECK(json_of(s.ask("POST", users, as_admin() + "Idempotency-Key: k1\r\n", given))["id"] == record["id"]);
  CHECK(status_of(s.ask("POST", users, as_admin(), given)) == 409);
  const std::string ana = basic("ana", "correct horse 7");
  CHECK(status_of(s.ask("GET", "/api/v1/roles", ana)) == 200);
  CHECK(status_of(s.ask("POST", users, ana, {{"name", "eve"}})) == 405);

  const std::string login =
      s.ask("POST", "/api/v1/auth/login", "", {{"username", "ana"}, {"password", "correct horse 7"}});
  REQUIRE(status_of(login) == 200);
  const std::string set = header_of(login, "Set-Cookie");
  const std::string cookie = "Cookie: " + set.substr(0, set.find(';')) + "\r\n";
  CHECK(status_of(s.ask("GET", "/api/v1/roles", cookie)) == 200);

  const std::string path = header_of(made, "Location");
  const std::string read = s.ask("GET", path, as_admin());
  CHECK(status_of(s.ask("GET", path, as_admin() + "If-None-Match: " + header_of(read, "ETag") + "\r\n")) ==
        304);
  const std::string patched =
      s.ask("PATCH", path, as_admin() + "If-Match: \"1\"\r\n", {{"email", "a@b.example"}});
  CHECK(header_of(patched, "ETag") == "\"2\"");
  CHECK(status_of(s.ask("PATCH", path, as_admin() + "If-Match: \"1\"\r\n", {{"email", "x"}})) == 412);
  const std::string wrong = s.ask("PATCH", path, as_admin(), {{"roles", {"nobody"}}, {"enabled", false}});
  CHECK(status_of(wrong) == 422);
  CHECK(json_of(wrong)["errors"][0]["field"] == "roles[0]");
  CHECK(status_of(s.ask("PATCH", path, as_admin(), {{"roles", {"user"}}})) == 200);
  CHECK(status_of(s.ask("GET", "/api/v1/roles", cookie)) == 404);
  CHECK(status_of(s.ask("PATCH", path, as_admin(), {{"enabled", false}})) == 200);
  CHECK(status_of(s.ask("GET", "/api/v1/auth/me", cookie)) == 401);
  CHECK(status_of(s.ask("GET", "/api/v1/auth/me", ana)) == 401);
  CHECK(status_of(s.ask("DELETE", path, as_admin() + "If-Match: \"4\"\r\n")) == 204);
  CHECK(status_of(s.ask("GET", path, as_admin())) == 404);
  CHECK(control::testing::last_change(s.node->trail) == "DELETE user success");
}

TEST_CASE("a key works from the answer that shows it to its end") {
  Served s;
  s.records.serve(*s.node->plane);
  REQUIRE(status_of(s.ask("POST", users, as_admin(), {{"name", "ci"}, {"roles", {"auditor"}}})) == 201);
  const std::string made =
      s.ask("POST", "/api/v1/keys", as_admin(),
            {{"name", "deploy"}, {"user", "ci"}, {"scopes", {"roles:read", "users:write"}}});
  REQUIRE_MESSAGE(status_of(made) == 201, made);
  const std::string key = "X-API-Key: " + json_of(made)["key"].get<std::string>() + "\r\n";
  CHECK(json_of(s.ask("GET", "/api/v1/auth/me", key))["scopes"] == Json{"roles:read"});
  CHECK(status_of(s.ask("GET", "/api/v1/roles", key)) == 200);
  CHECK(status_of(s.ask("GET", users, key)) == 404);
  CHECK(!json_of(s.ask("GET", "/api/v1/keys/deploy", as_admin())).contains("key"));
  CHECK(status_of(s.ask("PATCH", "/api/v1/keys/deploy", as_admin(), {{"enabled", false}})) == 200);
  CHECK(status_of(s.ask("GET", "/api/v1/roles", key)) == 401);
}

TEST_CASE("who may write users gives no role away that may more than he") {
  Served s;
  s.records.serve(*s.node->plane);
  const Json role = {{"name", "helpdesk"}, {"permissions", {"users:*"}}};
  REQUIRE(status_of(s.ask("POST", "/api/v1/roles", as_admin(), role)) == 201);
  const Json hal = {{"name", "hal"}, {"password", "correct horse 7"}, {"roles", {"helpdesk"}}};
  REQUIRE(status_of(s.ask("POST", users, as_admin(), hal)) == 201);
  const std::string proof = basic("hal", "correct horse 7");
  CHECK(status_of(s.ask("POST", users, proof, {{"name", "eve"}, {"roles", {"admin"}}})) == 403);
  CHECK(s.node->trail.records.back()[audit::Tag::outcome] == "denied");
  CHECK(s.node->trail.records.back()[audit::Tag::user_name] == "hal");
  CHECK(status_of(s.ask("PATCH", users + "/admin", proof, {{"password", "correct horse 8"}})) == 403);
  CHECK(status_of(s.ask("POST", users, proof, {{"name", "eve"}, {"roles", {"helpdesk"}}})) == 201);
  const std::string page = s.ask("GET", users + "?roles=helpdesk&limit=1&sort=-name", proof);
  CHECK(json_of(page)["items"][0]["name"] == "hal");
  const std::string next = json_of(page)["next_cursor"];
  CHECK(json_of(s.ask("GET", users + "?roles=helpdesk&limit=1&sort=-name&cursor=" + next,
                      proof))["items"][0]["name"] == "eve");
  CHECK(status_of(s.ask("GET", users + "?sort=email", proof)) == 400);
  CHECK(status_of(s.ask("GET", users + "?cursor=x", proof)) == 400);
}
