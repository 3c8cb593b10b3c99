// Paths of other systems' contracts: the same handlers, in another form.
#include "admin/api/aliases.h"
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;
using AliasKind = control::Answer::Kind;

namespace {

const std::string ana_id = "0198d0f4-0000-7000-8000-000000000001";

Json shown_ana() {
  return {
      {"id", ana_id},        {"number", 7}, {"version", 3}, {"name", "ana"}, {"must_change_password", false},
      {"roles", {"auditor"}}};
}

control::Answer answer_with(AliasKind kind, Json body) {
  control::Answer out;
  out.kind = kind;
  out.body = std::move(body);
  out.version = 3;
  return out;
}

}  // namespace

TEST_CASE("each alias has the route that it leads to, and that one's scope") {
  ApiFixture f;
  const std::vector<Route>& routes = f.server->router().routes();
  size_t found = 0;
  for (const Alias& alias : aliases()) {
    CAPTURE(alias.method);
    CAPTURE(alias.pattern);
    const Route* to = route_of(alias, routes);
    // Of nouns that this version does not have.
    if (to == nullptr) {
      CHECK(model::find_noun(alias.noun) == nullptr);
      CHECK_FALSE(alias.noun.empty());
      continue;
    }
    ++found;
    const auto own = std::find_if(routes.begin(), routes.end(), [&](const Route& route) {
      return route.method == alias.method && route.pattern == alias.pattern;
    });
    REQUIRE(own != routes.end());
    CHECK(own->scope == to->scope);
    CHECK(own->admits == to->admits);
    CHECK(own->tag == name(alias.family));
    CHECK(family_of(alias.pattern) != nullptr);
  }
  CHECK(found > 30);
  CHECK(family_of("/api/v1/users") == nullptr);
  CHECK(family_of("/api/usersx") == nullptr);
}

TEST_CASE("a record has the contract's names, both ways, and is found by its number") {
  ApiFixture f;
  f.records.people[std::string("7")] = {{"id", ana_id}, {"number", 7}, {"name", "ana"}};
  f.records.next = answer_with(AliasKind::ok, shown_ana());
  const Json shown = json_of(f.ask("GET", "/api/users/7", as_admin()));
  CHECK(f.records.asked == std::vector<std::string>{"identify user:7", "read users " + ana_id});
  CHECK(shown["id"] == 7);
  CHECK(shown["uid"] == ana_id);
  CHECK(shown["username"] == "ana");
  CHECK(shown["password_change_required"] == false);
  CHECK_FALSE(shown.contains("name"));
  CHECK_FALSE(shown.contains("number"));
  f.records.asked.clear();
  CHECK(status_of(f.ask("GET", "/api/users/8", as_admin())) == 404);
  CHECK(f.records.asked == std::vector<std::string>{"identify user:8"});
  f.ask("GET", "/api/users/ana", as_admin());
  CHECK(f.records.asked.back() == "read users ana");
  f.records.next = answer_with(AliasKind::created, shown_ana());
  const std::string made =
      f.ask("POST", "/api/users", as_admin(), R"({"username":"ana","password":"p","roles":["auditor"]})");
  CHECK(status_of(made) == 201);
  CHECK(header_of(made, "Location") == "/api/users/7");
  CHECK(header_of(made, "ETag") == "\"3\"");
  CHECK(f.records.asked.back() ==
        R"(create users {"name":"ana","password":"p","roles":["auditor"]} [] by admin (admin token))");
}

TEST_CASE("PUT changes what is given, as PATCH does, of the version that If-Match names") {
  ApiFixture f;
  f.records.next = answer_with(AliasKind::ok, shown_ana());
  for (const char* method : {"PUT", "PATCH"}) {
    CHECK(status_of(f.ask(method, "/api/users/ana", as_admin() + "If-Match: \"2\"\r\n",
                          R"({"username":"eve"})")) == 200);
    CHECK(f.records.asked.back() == R"(change users ana {"name":"eve"} of 2 by admin (admin token))");
  }
  CHECK(status_of(f.ask("PUT", "/api/v1/users/ana", as_admin(), "{}")) == 405);
  CHECK(status_of(f.ask("PUT", "/api/users/ana", as_admin(), "{}", "text/plain")) == 415);
}

TEST_CASE("what is wrong is told by the contract's names, status and members") {
  ApiFixture f;
  f.records.next = answer_with(AliasKind::invalid, {});
  f.records.next.defects = {{"hosts[0]", "is no host"}, {"name", "is taken"}};
  const std::string refused = f.ask("POST", "/api/databases", as_admin(), R"({"name":"x","host":"?"})");
  CHECK(status_of(refused) == 400);
  const Json problem = json_of(refused);
  CHECK(problem["status"] == 400);
  CHECK(problem["code"] == "VALIDATION_ERROR");
  CHECK(problem["message"] == problem["detail"]);
  CHECK(problem["instance"] == "/api/databases");
  CHECK(problem["errors"][0]["field"] == "host");
  CHECK(problem["errors"][1]["field"] == "name");
  const Json named = json_of(f.ask("POST", "/api/users", as_admin(), R"({"name":"ana"})"));
  CHECK(named["errors"][0]["field"] == "name");
  CHECK(has(named["errors"][0]["message"].get<std::string>(), "is called username"));
  CHECK(json_of(f.ask("GET", "/api/users", ""))["code"] == "UNAUTHORIZED");
  CHECK(json_of(f.ask("GET", "/admin/api/nothing", as_admin())).contains("error"));
  CHECK(json_of(f.ask("GET", "/api/v1/security/nothing", as_admin())).contains("timestamp"));
  CHECK_FALSE(json_of(f.ask("GET", "/api/v1/nothing", as_admin())).contains("code"));
}

TEST_CASE("a list has the contract's envelope, or is bare and tells the next page in a header") {
  ApiFixture f;
  f.records.next = answer_with(AliasKind::ok, {{"items", {shown_ana()}}, {"next_cursor", "abc"}});
  const Json users = json_of(f.ask("GET", "/api/users?sort=-username&roles=auditor", as_admin()));
  CHECK(users["users"][0]["username"] == "ana");
  CHECK(users["next_cursor"] == "abc");
  CHECK(f.records.lists.back().sort == "-name");
  CHECK(f.records.lists.back().limit == 100);
  CHECK(f.records.lists.back().filters ==
        std::vector<std::pair<std::string, std::string>>{{"roles", "auditor"}});
  const std::string bare = f.ask("GET", "/admin/api/users?roles=auditor", as_admin());
  CHECK(json_of(bare)[0]["username"] == "ana");
  CHECK(header_of(bare, "Link") == "</admin/api/users?roles=auditor&cursor=abc>; rel=\"next\"");
  CHECK(f.records.lists.back().limit == 1'000);
  CHECK(status_of(f.ask("GET", "/api/users?nothing=1", as_admin())) == 400);
}

TEST_CASE("a connection of port-authorizing is a target, and an empty password leaves the one there is") {
  ApiFixture f;
  f.records.next = answer_with(AliasKind::ok, {{"name", "shop"},
                                               {"hosts", {"a", "b"}},
                                               {"user", "app"},
                                               {"database", nullptr},
                                               {"description", "the shop"}});
  const Json shown = json_of(f.ask("PUT", "/admin/api/connections/shop", as_admin(),
                                   R"({"host":"c","backend_password":"","metadata":{"description":"new"}})"));
  CHECK(f.records.asked.back() ==
        R"(change targets shop {"description":"new","hosts":["c"]} by admin (admin token))");
  CHECK(shown["host"] == "a");
  CHECK(shown["backend_username"] == "app");
  CHECK(shown["metadata"]["description"] == "the shop");
  const Json refused = json_of(
      f.ask("PUT", "/admin/api/connections/shop", as_admin(), R"({"metadata":{"environment":"prod"}})"));
  CHECK(refused["errors"][0]["field"] == "metadata");
  CHECK(refused["error"] == refused["detail"]);
}

TEST_CASE("the policy tester of port-authorizing asks what explain answers") {
  ApiFixture f;
  f.policy_text = R"({"allowed":false,"access":{"granted":true,"policies":[{"name":"analysts"}]},)"
                  R"("statements":[{"begin":0,"end":6,"allowed":false,"rule":"level read","message":"no"}]})";
  const Json shown = json_of(f.ask("POST", "/admin/api/policy-test", as_admin(),
                                   R"({"connection":"shop","role":"analyst","query":"DELETE"})"));
  CHECK(Json::parse(f.policy_question) ==
        Json({{"target", "shop"}, {"roles", {"analyst"}}, {"statement", "DELETE"}}));
  CHECK(shown["hasAccess"] == true);
  CHECK(shown["allowed"] == false);
  CHECK(shown["matchingPolicies"][0] == "analysts");
  CHECK(shown["subquery_validation"][0]["rule"] == "level read");
  for (const char* bad : {"{}", R"({"connection":"a","role":"b","query":"c","method":"GET"})",
                          R"({"connection":"a","role":"b","query":7})", R"({"connection":"a","x":"b"})"}) {
    CAPTURE(bad);
    CHECK(status_of(f.ask("POST", "/admin/api/policy-test", as_admin(), bad)) == 400);
  }
}

TEST_CASE("the role of rusty-db has its parents and permissions by its names") {
  ApiFixture f;
  f.records.next = answer_with(AliasKind::ok, {{"id", ana_id}, {"name", "r"}, {"parents", {"p"}}});
  const Json shown = json_of(
      f.ask("POST", "/api/v1/security/roles/r/permissions", as_admin(), R"({"permissions":["audit:read"]})"));
  CHECK(f.records.asked.back() == R"(change roles r {"permissions":["audit:read"]} by admin (admin token))");
  CHECK(shown["parent_roles"][0] == "p");
  CHECK(shown["is_active"] == true);
  CHECK(shown["id"] == ana_id);
}
