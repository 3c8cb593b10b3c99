// From a request's credentials to who asks.
#include "admin/api/credentials.h"

#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

http::Request with(std::initializer_list<http::Header> headers) {
  http::Request out;
  out.headers = headers;
  return out;
}

}  // namespace

TEST_CASE("each kind of credential is told by its form") {
  const std::string key = "rf_abcdefgh_" + std::string(42, 'a') + "A";
  const auto proof = [](const http::Request& request, bool is_secure = false) {
    auto found = presented_in(request, is_secure);
    REQUIRE(found);
    return std::string(name_of(found->proof)) + (found->is_malformed ? " malformed" : "");
  };
  CHECK(proof(with({})) == "");
  CHECK(proof(with({{"Authorization", "Bearer abc"}})) == "admin token");
  CHECK(proof(with({{"Authorization", "bearer   a;b"}})) == "admin token");
  CHECK(proof(with({{"Authorization", "Bearer " + key}})) == "api key");
  CHECK(proof(with({{"X-API-Key", key}})) == "api key");
  CHECK(proof(with({{"X-API-Key", "abc"}})) == "api key malformed");
  CHECK(proof(with({{"Authorization", "Basic " + base64_encode("ana:x:y")}})) == "password");
  CHECK(proof(with({{"Authorization", "Basic " + base64_encode("ana")}})) == "password malformed");
  CHECK(proof(with({{"Authorization", "Basic %"}})) == "password malformed");
  CHECK(proof(with({{"Authorization", "Digest x"}})) == "other scheme malformed");
  CHECK(proof(with({{"Authorization", ""}})) == "other scheme malformed");
  const std::string cookie = std::string(42, 'a') + "A";
  CHECK(proof(with({{"Cookie", "a=b; ringfence_session=" + cookie}})) == "browser session");
  CHECK(proof(with({{"Cookie", "ringfence_session=x"}})) == "browser session malformed");
  CHECK(proof(with({{"Cookie", "a=b"}})) == "");
  // By TLS the cookie has a name that no other site can set.
  CHECK(proof(with({{"Cookie", "ringfence_session=" + cookie}}), true) == "");
  CHECK(proof(with({{"Cookie", "__Host-ringfence_session=" + cookie}}), true) == "browser session");
}

TEST_CASE("a user's password proves his scopes, and a wrong one nothing") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes({"users:read"}), "secret of ana");
  const Json answer = json_of(f.ask("GET", me_path, basic("ana", "secret of ana")));
  CHECK(answer["name"] == "ana");
  CHECK(answer["method"] == "password");
  CHECK(answer["scopes"] == Json{"users:read"});
  CHECK(answer["user"]["id"] == to_string(f.facts.find_user("ana")->id));
  CHECK(answer["csrf_token"].is_null());
  CHECK(f.failures.empty());
  CHECK(status_of(f.ask("GET", "/api/v1/users", basic("ana", "secret of ana"))) == 200);
  CHECK(status_of(f.ask("GET", "/api/v1/roles", basic("ana", "secret of ana"))) == 404);
  const std::string wrong = f.ask("GET", me_path, basic("ana", "x"));
  const std::string unknown = f.ask("GET", me_path, basic("bob", "x"));
  CHECK(status_of(wrong) == 401);
  CHECK(wrong == unknown);
  CHECK(has(wrong, "WWW-Authenticate: Basic"));
  CHECK(f.passwords_checked == 5);  // That of the unknown user, too.
  CHECK(status_of(f.ask("GET", me_path, "Authorization: Basic %\r\n")) == 401);
  REQUIRE(f.failures.size() == 3);
  CHECK(f.failures[0].proof == "password");
  CHECK(f.failures[0].user == "ana");
  CHECK(f.failures[1].user == "bob");
  CHECK(f.failures[2].reason == "malformed");
}

TEST_CASE("a password that cannot be checked now is 503, and says nothing about the user") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes::all(), "secret of ana");
  for (const auto verdict : {auth::PasswordVerdict::busy, auth::PasswordVerdict::failed}) {
    f.verdict = verdict;
    const std::string heard = f.ask("GET", me_path, basic("ana", "secret of ana"));
    CHECK(status_of(heard) == 503);
    CHECK(has(heard, "Retry-After: 1\r\n"));
  }
  f.verdict.reset();
  f.is_slow = true;
  CHECK(f.ask("GET", me_path, basic("ana", "secret of ana")).empty());
  f.pass_ms(5'000);
  CHECK(status_of(f.heard()) == 503);
  f.late();  // Goes nowhere.
  f.is_slow = f.is_started = false;
  CHECK(status_of(f.ask("GET", me_path, basic("ana", "secret of ana"))) == 503);
  CHECK(status_of(f.ask("GET", me_path, as_admin())) == 200);
  CHECK(f.failures.empty());
}

TEST_CASE("a stop does not wait for a password, and a client that leaves is not waited for") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes::all(), "secret of ana");
  f.is_slow = true;
  CHECK(f.ask("GET", me_path, basic("ana", "secret of ana")).empty());
  f.clients.back()->stream->shutdown();
  f.network.run();
  f.late();
  f.network.run();
  CHECK(f.clients.back()->heard.empty());
  CHECK(f.server->connections() == 0);
  CHECK(f.ask("GET", me_path, basic("ana", "secret of ana")).empty());
  f.stop(2'000);
  f.pass_ms(999);
  CHECK(f.heard().empty());
  f.pass_ms(1);
  CHECK(status_of(f.heard()) == 503);
  f.late();  // Goes nowhere.
}

TEST_CASE("who is disabled or gets another password while his is checked does not get in") {
  for (const bool is_gone : {true, false}) {
    ApiFixture f;
    control::UserFacts& ana = f.put_user("ana", auth::Scopes::all(), "secret of ana");
    f.is_slow = true;
    CHECK(f.ask("GET", me_path, basic("ana", "secret of ana")).empty());
    if (is_gone) f.remove_user("ana");
    else ana.password_hash = model::Secret("another one");
    f.late();
    CHECK(status_of(f.heard()) == 401);
    CHECK(f.failures.size() == 1);
  }
}

TEST_CASE("an API key may what its user and the key itself may, both") {
  ApiFixture f;
  const control::UserFacts& ana = f.put_user("ana", auth::Scopes({"users:*", "roles:read"}), "x");
  const std::string narrow = f.put_key(ana, auth::Scopes({"users:read", "sessions:read"}));
  const std::string all = f.put_key(ana, {});
  CHECK(json_of(f.ask("GET", me_path, "X-API-Key: " + narrow + "\r\n"))["scopes"] == Json{"users:read"});
  CHECK(json_of(f.ask("GET", me_path, bearer + all + "\r\n"))["scopes"] == Json{"roles:read", "users:*"});
  CHECK(json_of(f.ask("GET", me_path, bearer + all + "\r\n"))["method"] == "api key");
  CHECK(f.passwords_checked == 0);
  std::string other = all;
  other[20] = other[20] == 'a' ? 'b' : 'a';
  CHECK(status_of(f.ask("GET", me_path, "X-API-Key: " + other + "\r\n")) == 401);
  CHECK(f.failures.back().reason == "wrong");
  CHECK(f.failures.back().api_key == f.last_key->prefix);
  f.last_key->expires_at = f.now_ns / 1'000;
  CHECK(status_of(f.ask("GET", me_path, "X-API-Key: " + all + "\r\n")) == 401);
  CHECK(f.failures.back().reason == "expired");
  f.last_key->expires_at.reset();
  f.last_key->is_revoked = true;
  CHECK(status_of(f.ask("GET", me_path, "X-API-Key: " + all + "\r\n")) == 401);
  f.remove_user("ana");
  CHECK(status_of(f.ask("GET", me_path, "X-API-Key: " + narrow + "\r\n")) == 401);
  CHECK(f.failures.size() == 4);
}

TEST_CASE("more than one credential in a request is refused, and told") {
  ApiFixture f;
  const control::UserFacts& ana = f.put_user("ana", auth::Scopes::all(), "secret of ana");
  const std::string key = "X-API-Key: " + f.put_key(ana, {}) + "\r\n";
  const Browser browser(f, "ana", "secret of ana");
  for (const std::string& two :
       {key + as_admin(), key + basic("ana", "secret of ana"), browser.headers() + as_admin(),
        browser.headers() + key, key + key, as_admin() + basic("ana", "secret of ana"),
        browser.headers() + "Cookie: a=b\r\n"}) {
    CAPTURE(two);
    CHECK(status_of(f.ask("GET", me_path, two)) == 400);
    CHECK(f.failures.back().reason == "several");
  }
  CHECK(f.failures.size() == 7);
}

TEST_CASE("who must change his password gets nothing else, whatever he proves himself with") {
  ApiFixture f;
  control::UserFacts& ana = f.put_user("ana", auth::Scopes::all(), "secret of ana");
  ana.must_change_password = true;
  const Browser browser(f, "ana", "secret of ana");
  CHECK(json_of(browser.response)["user"]["must_change_password"] == true);
  for (const std::string& proof :
       {basic("ana", "secret of ana"), browser.headers(), "X-API-Key: " + f.put_key(ana, {}) + "\r\n"}) {
    const std::string heard = f.ask("GET", "/api/v1/users", proof);
    CHECK(status_of(heard) == 403);
    CHECK(has(heard, "PUT /api/v1/auth/password"));
    CHECK(status_of(f.ask("GET", "/nothing", proof)) == 403);
    CHECK(status_of(f.ask("GET", me_path, proof)) == 200);
  }
  CHECK(f.records.asked.empty());
}

TEST_CASE("an answer is withheld from who lost his rights while it was made") {
  enum class Lost : uint8_t { nothing, key, other_key, user, scope };
  for (const Lost lost : {Lost::nothing, Lost::key, Lost::other_key, Lost::user, Lost::scope}) {
    CAPTURE(static_cast<int>(lost));
    ApiFixture f;
    const control::UserFacts& user = f.put_user("ana", auth::Scopes({"users:read"}), "secret");
    const std::string key = f.put_key(user, {});
    f.last_key->id = user.id;
    f.records.is_busy = true;
    f.ask("GET", "/api/v1/users", "X-API-Key: " + key + "\r\n");
    REQUIRE(f.records.late);
    auto less = std::make_shared<control::UserFacts>(user);
    less->scopes = auth::Scopes({"roles:read"});
    if (lost == Lost::key) f.last_key->is_revoked = true;
    if (lost == Lost::other_key) f.put_key(user, {});
    if (lost == Lost::user) f.remove_user("ana");
    if (lost == Lost::scope) f.facts.users_by_id.set(to_string(less->id), less);
    f.records.late(f.records.next);
    const bool is_told = lost == Lost::nothing || lost == Lost::other_key;
    CHECK(status_of(f.heard()) == (is_told ? 200 : 403));
  }
}
