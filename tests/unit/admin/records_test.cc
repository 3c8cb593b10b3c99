// Records over HTTP: what a request says becomes a question, what is answered becomes a response.
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;
using Kind = control::Answer::Kind;

namespace {

const std::string users = "/api/v1/users";

control::Answer answer(Kind kind, int64_t version = 0) {
  control::Answer out;
  out.kind = kind;
  out.message = "because";
  out.version = version;
  out.body = {{"id", "0198d0f4-0000-7000-8000-000000000001"}, {"name", "ana"}, {"version", version}};
  return out;
}

}  // namespace

TEST_CASE("each noun of the model has its five routes") {
  ApiFixture f;
  for (const model::Noun* noun : model::nouns()) {
    const std::string path = "/api/v1/" + std::string(noun->plural);
    f.records.next = answer(Kind::ok, 3);
    CHECK(status_of(f.ask("GET", path, as_admin())) == 200);
    CHECK(f.records.asked.back() == "list " + std::string(noun->plural));
    CHECK(status_of(f.ask("GET", path + "/a", as_admin())) == 200);
    // A request is decided, and does not change otherwise.
    const bool may_change = noun->name != "access_request";
    CHECK(status_of(f.ask("PATCH", path + "/a", as_admin(), "{}")) == (may_change ? 200 : 405));
    f.records.next = answer(Kind::created, 1);
    CHECK(status_of(f.ask("POST", path, as_admin(), "{}")) == 201);
    f.records.next = answer(Kind::deleted);
    CHECK(status_of(f.ask("DELETE", path + "/a", as_admin())) == 204);
  }
  CHECK(f.records.asked.size() == 5 * model::nouns().size() - 1);
}

TEST_CASE("a record is made once, and told where it is") {
  ApiFixture f;
  f.records.next = answer(Kind::created, 1);
  const std::string made =
      f.ask("POST", users, as_admin() + "Idempotency-Key: a-1\r\n", "{\"name\":\"ana\"}");
  CHECK(status_of(made) == 201);
  CHECK(header_of(made, "Location") == users + "/0198d0f4-0000-7000-8000-000000000001");
  CHECK(header_of(made, "ETag") == "\"1\"");
  CHECK(json_of(made)["name"] == "ana");
  CHECK(f.records.asked.back() == "create users {\"name\":\"ana\"} [a-1] by admin (admin token)");
  const size_t asked = f.records.asked.size();
  for (const std::string& bad :
       {std::string("Idempotency-Key: \r\n"), std::string("Idempotency-Key: a b\r\n"),
        "Idempotency-Key: " + std::string(256, 'x') + "\r\n",
        std::string("Idempotency-Key: a\r\nIdempotency-Key: a\r\n")}) {
    CHECK(status_of(f.ask("POST", users, as_admin() + bad, "{}")) == 400);
  }
  CHECK(f.records.asked.size() == asked);
}

TEST_CASE("a body that is no JSON of this API is 400, another media type 415, a long one 413") {
  ApiFixture f;
  for (const char* bad :
       {"x", "[]", "7", "{\"a\":1,\"a\":2}", "{\"a\":1.5}", "{\"a\":\"\\u0000\"}", "{} {}", "{\"a\":\xff}"}) {
    CAPTURE(bad);
    CHECK(status_of(f.ask("POST", users, as_admin(), bad)) == 400);
    CHECK(status_of(f.ask("PATCH", users + "/a", as_admin(), bad)) == 400);
  }
  CHECK(status_of(f.ask("POST", users, as_admin(), "{}", "text/plain")) == 415);
  CHECK(status_of(f.ask("POST", users, as_admin(), "{}", "application/merge-patch+json")) == 415);
  CHECK(status_of(f.ask("POST", users, as_admin())) == 415);
  CHECK(status_of(f.ask("PATCH", users + "/a", as_admin(), "{}", "application/merge-patch+json")) == 200);
  const std::string long_one = "{\"name\":\"" + std::string(65'536, 'x') + "\"}";
  CHECK(status_of(f.ask("POST", users, as_admin(), long_one)) == 413);
  CHECK(f.records.asked.size() == 1);
}

TEST_CASE("what the control plane answers has its status, and names the fields") {
  ApiFixture f;
  const auto status = [&](Kind kind) {
    f.records.next = answer(kind);
    return status_of(f.ask("PATCH", users + "/ana", as_admin(), "{\"email\":null}"));
  };
  CHECK(status(Kind::ok) == 200);
  CHECK(f.records.asked.back() == "change users ana {\"email\":null} by admin (admin token)");
  CHECK(status(Kind::invalid) == 422);
  CHECK(status(Kind::forbidden) == 403);
  CHECK(status(Kind::not_found) == 404);
  CHECK(status(Kind::conflict) == 409);
  CHECK(status(Kind::stale) == 412);
  CHECK(status(Kind::unavailable) == 503);
  CHECK(has(f.heard(), "Retry-After: 1\r\n"));
  f.records.next = answer(Kind::conflict);
  f.records.next.defects = {{"name", "is \"taken\""}, {"roles[1]", "names no role"}};
  const std::string told = f.ask("PATCH", users + "/ana", as_admin(), "{}");
  CHECK(has(told, "Content-Type: application/problem+json\r\n"));
  CHECK(json_of(told)["detail"] == "because");
  CHECK(json_of(told)["errors"] == Json{{{"field", "name"}, {"message", "is \"taken\""}},
                                        {{"field", "roles[1]"}, {"message", "names no role"}}});
  // A list without sense is the query's fault.
  f.records.next = answer(Kind::invalid);
  CHECK(status_of(f.ask("GET", users, as_admin())) == 400);
}

TEST_CASE("a version that is asked for is passed on, one that cannot be is refused") {
  ApiFixture f;
  const auto change = [&](const std::string& headers) {
    return status_of(f.ask("PATCH", users + "/ana", as_admin() + headers, "{}"));
  };
  CHECK(change("If-Match: \"7\"\r\n") == 200);
  CHECK(f.records.asked.back() == "change users ana {} of 7 by admin (admin token)");
  CHECK(change("If-Match: *\r\n") == 200);
  CHECK(f.records.asked.back() == "change users ana {} by admin (admin token)");
  const size_t asked = f.records.asked.size();
  for (const char* bad : {"7", "\"\"", "\"x\"", "W/\"7\"", "\"7\", \"8\"", "\"-7\"", "\"0\"", "\"7",
                          "\"99999999999999999999\"", ""}) {
    CAPTURE(bad);
    CHECK(change("If-Match: " + std::string(bad) + "\r\n") == 400);
  }
  CHECK(change("If-Match: \"7\"\r\nIf-Match: \"7\"\r\n") == 400);
  CHECK(status_of(f.ask("DELETE", users + "/ana", as_admin() + "If-Match: x\r\n")) == 400);
  CHECK(f.records.asked.size() == asked);
  f.records.next = answer(Kind::deleted);
  CHECK(status_of(f.ask("DELETE", users + "/ana", as_admin() + "If-Match: \"7\"\r\n")) == 204);
  CHECK(f.records.asked.back() == "remove users ana of 7 by admin (admin token)");
}

TEST_CASE("a record that the client has is not sent again") {
  ApiFixture f;
  f.records.next = answer(Kind::ok, 7);
  const auto read = [&](const std::string& known) {
    return f.ask("GET", users + "/ana", as_admin() + "If-None-Match: " + known + "\r\n");
  };
  for (const char* known : {"\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"}) {
    const std::string heard = read(known);
    CHECK(status_of(heard) == 304);
    CHECK(header_of(heard, "ETag") == "\"7\"");
    CHECK(body_of(heard).empty());
  }
  for (const char* other : {"\"8\"", "7", "\"77\""}) CHECK(status_of(read(other)) == 200);
  f.records.next = answer(Kind::not_found);
  CHECK(status_of(read("*")) == 404);
}

TEST_CASE("a list's query becomes limit, cursor, order and filters") {
  ApiFixture f;
  f.records.next.body = {{"items", Json::array()}, {"next_cursor", "abc"}};
  const std::string heard =
      f.ask("GET", users + "?limit=7&cursor=x%2Fy&sort=-name&roles=admin&enabled=true", as_admin());
  CHECK(json_of(heard) == f.records.next.body);
  REQUIRE(f.records.lists.size() == 1);
  const control::ListRequest& asked = f.records.lists[0];
  CHECK(asked.limit == 7);
  CHECK(asked.cursor == "x/y");
  CHECK(asked.sort == "-name");
  CHECK(asked.filters ==
        std::vector<std::pair<std::string, std::string>>{{"roles", "admin"}, {"enabled", "true"}});
  CHECK(status_of(f.ask("GET", users, as_admin())) == 200);
  CHECK(f.records.lists[1].limit == 100);
  for (const char* bad : {"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=7x", "limit=",
                          "limit=99999999999999999999", "password=x", "expires_at=x", "limit=1&limit=2"}) {
    CAPTURE(bad);
    CHECK(status_of(f.ask("GET", users + "?" + bad, as_admin())) == 400);
  }
  CHECK(f.records.lists.size() == 2);
}

TEST_CASE("a store that does not answer is not waited for without end") {
  ApiFixture f;
  f.records.is_busy = true;
  CHECK(f.ask("GET", users, as_admin()).empty());
  f.pass_ms(14'999);
  CHECK(f.heard().empty());
  f.pass_ms(1);
  CHECK(status_of(f.heard()) == 503);
  CHECK(has(f.heard(), "Retry-After: 1\r\n"));
  f.records.late(answer(Kind::ok));  // Goes nowhere.
}

TEST_CASE("a name in the path is decoded, and a record's text may be anything") {
  ApiFixture f;
  f.records.next = answer(Kind::ok, 1);
  f.records.next.body["display_name"] = "a\xff\"b";
  const std::string heard = f.ask("GET", users + "/a%2Fb%20c", as_admin());
  CHECK(f.records.asked.back() == "read users a/b c");
  CHECK(json_of(heard)["display_name"] == "a\xef\xbf\xbd\"b");
}
