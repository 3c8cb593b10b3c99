// Keys over HTTP: which action a route is, whom it lets in, and what comes back.
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;
using control::KeyAction;

namespace {

const std::string security = "/api/v1/security";

std::string asked_of(KeyAction action, const std::string& which, const std::string& given) {
  return "keys " + std::to_string(static_cast<int>(action)) + " " + which + " " + given +
         " by admin (admin token)";
}

}  // namespace

TEST_CASE("each route of keys is one action, at both of its paths") {
  ApiFixture f;
  struct Expected {
    const char* method;
    std::string path;
    KeyAction action;
    std::string which;
  };
  std::vector<Expected> all = {{"GET", "/encryption/status", KeyAction::status, ""},
                               {"POST", "/encryption/enable", KeyAction::enable, ""},
                               {"POST", "/encryption/column", KeyAction::column, ""},
                               {"POST", "/keys/generate", KeyAction::generate, ""},
                               {"POST", "/encryption/keys", KeyAction::generate, ""}};
  for (const std::string base : {"/keys", "/encryption/keys"}) {
    all.push_back({"GET", base, KeyAction::list, ""});
    all.push_back({"GET", base + "/k1", KeyAction::show, "k1"});
    all.push_back({"POST", base + "/current/rotate", KeyAction::rotate, "current"});
    all.push_back({"DELETE", base + "/k1", KeyAction::destroy, "k1"});
  }
  for (const Expected& one : all) {
    CAPTURE(one.path);
    f.records.asked.clear();
    const bool is_post = std::string_view(one.method) == "POST";
    const std::string body = is_post ? R"({"x": 1})" : "";
    CHECK(status_of(f.ask(one.method, security + one.path, as_admin(), body)) == 200);
    REQUIRE(f.records.asked.size() == 1);
    const std::string wanted = asked_of(one.action, one.which, is_post ? R"({"x":1})" : "{}");
    CHECK(f.records.asked[0].starts_with(wanted.substr(0, wanted.find(" by "))));
  }
}

TEST_CASE("who reads keys changes none, and a body that is no JSON is none") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes{"encryption:read"}, "secret of ana");
  const std::string ana = basic("ana", "secret of ana");
  CHECK(status_of(f.ask("GET", security + "/keys", ana)) == 200);
  f.records.asked.clear();
  CHECK(status_of(f.ask("POST", security + "/keys/generate", ana, "{}")) == 404);
  CHECK(status_of(f.ask("DELETE", security + "/keys/k1", ana)) == 405);
  CHECK(status_of(f.ask("POST", security + "/keys/generate", as_admin(), "{}", "text/plain")) == 415);
  CHECK(status_of(f.ask("POST", security + "/keys/generate", as_admin(), "[]")) == 400);
  CHECK(f.records.asked.empty());
}

TEST_CASE("what comes of an action has its status") {
  ApiFixture f;
  using Kind = control::Answer::Kind;
  for (const auto& [kind, status] : {std::pair<Kind, int>{Kind::accepted, 202},
                                     {Kind::created, 201},
                                     {Kind::conflict, 409},
                                     {Kind::impossible, 501},
                                     {Kind::not_found, 404},
                                     {Kind::unavailable, 503}}) {
    f.records.next = control::refusal(kind, "for a reason");
    f.records.next.body = Json::object();
    const std::string response = f.ask("POST", security + "/keys/current/rotate", as_admin(), "{}");
    CHECK(status_of(response) == status);
    if (status >= 400) CHECK(json_of(response).at("detail") == "for a reason");
  }
}
