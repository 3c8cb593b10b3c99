// Browser sessions, and one's own password.
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

const std::string login_path = "/api/v1/auth/login";
const std::string password_path = "/api/v1/auth/password";

std::string passwords(const std::string& current, const std::string& wanted) {
  return Json{{"current_password", current}, {"new_password", wanted}}.dump();
}

// The store takes the new password, and it is in force at once.
void follow(ApiFixture& f, control::UserFacts& user) {
  f.records.on_password = [&](std::string password) {
    user.password_hash = model::Secret(password);
    user.password_set_us += 1'000;
    user.version += 1;
    user.must_change_password = false;
  };
}

}  // namespace

TEST_CASE("a login gives a cookie that no script sees, and a token for what changes something") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes({"users:*"}), "secret of ana");
  Browser browser(f, "ana", "secret of ana");
  CHECK(status_of(browser.response) == 200);
  const std::string cookie = header_of(browser.response, "Set-Cookie");
  CHECK(cookie.starts_with("ringfence_session="));
  for (const char* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"})
    CHECK(has(cookie, part));
  CHECK(json_of(browser.response)["user"]["name"] == "ana");
  CHECK(json_of(browser.response)["expires_at"] == "1970-01-01T12:16:40.000000Z");
  CHECK(f.told() == "login session_created");
  CHECK(f.events[0].client_addr == "memory");
  const Json who = json_of(f.ask("GET", me_path, browser.headers(false)));
  CHECK(who["method"] == "browser session");
  CHECK(who["csrf_token"] == browser.csrf);
  CHECK(browser.status("GET", "/api/v1/users", false) == 200);

  // Without the token of the page nothing changes.
  CHECK(browser.status("DELETE", "/api/v1/users/x", false) == 403);
  CHECK(f.failures.back().reason == "no CSRF token for the");
  Browser other(f, "ana", "secret of ana");
  CHECK(status_of(f.ask("DELETE", "/api/v1/users/x",
                        browser.headers(false) + "X-CSRF-Token: " + other.csrf + "\r\n")) == 403);
  CHECK(status_of(f.ask("DELETE", "/api/v1/users/x", browser.headers() + "X-CSRF-Token: x\r\n")) == 403);
  CHECK(f.records.asked == std::vector<std::string>{"list users"});
  f.records.next.kind = control::Answer::Kind::deleted;
  CHECK(browser.status("DELETE", "/api/v1/users/x") == 204);
  CHECK(f.records.asked.back() == "remove users x by ana (browser session)");
}

TEST_CASE("a login that is wrong says so alike for all names, and needs JSON") {
  ApiFixture f;
  f.put_user("ana", auth::Scopes::all(), "secret of ana");
  const auto login = [&](const Json& body, const std::string& type = "application/json") {
    return f.ask("POST", login_path, "", body.dump(), type);
  };
  const std::string wrong = login({{"username", "ana"}, {"password", "x"}});
  CHECK(status_of(wrong) == 401);
  CHECK(!has(wrong, "Basic"));
  CHECK(wrong == login({{"username", "nobody"}, {"password", "x"}}));
  CHECK(wrong == login({{"username", std::string(10'000, 'n')}, {"password", "x"}}));
  REQUIRE(f.failures.size() == 3);
  CHECK(f.failures[2].user == std::string(256, 'n'));
  CHECK(f.failures[1].user == "nobody");
  CHECK(f.failures[1].path == login_path);
  const Json right = {{"username", "ana"}, {"password", "secret of ana"}};
  CHECK(status_of(login(right, "text/plain")) == 415);
  CHECK(status_of(login(right, "application/x-www-form-urlencoded")) == 415);
  CHECK(status_of(f.ask("POST", login_path)) == 415);
  CHECK(status_of(login(right, "Application/JSON; charset=utf-8")) == 200);
  const std::string misses = login({{"username", 7}, {"more", "x"}});
  CHECK(status_of(misses) == 400);
  CHECK(json_of(misses)["errors"].size() == 3);
  CHECK(status_of(f.ask("POST", login_path, "", "[1]")) == 400);
  CHECK(status_of(f.ask("POST", login_path, "", "{\"username\":\"a\",\"username\":\"b\"}")) == 400);
  CHECK(status_of(f.ask("POST", login_path, "", std::string(65'537, ' '))) == 413);
  f.verdict = auth::PasswordVerdict::busy;
  CHECK(status_of(login(right)) == 503);
  CHECK(f.told() == "login session_created");
}

TEST_CASE("a session ends by a logout, its time, its user's end and another password") {
  ApiFixture f;
  control::UserFacts& ana = f.put_user("ana", auth::Scopes::all(), "secret of ana");
  Browser first(f, "ana", "secret of ana");
  CHECK(first.status("POST", "/api/v1/auth/logout", false) == 403);
  const std::string out = f.ask("POST", "/api/v1/auth/logout", first.headers());
  CHECK(status_of(out) == 204);
  CHECK(has(header_of(out, "Set-Cookie"), "ringfence_session=; Max-Age=0"));
  const std::string gone = f.ask("GET", me_path, first.headers());
  CHECK(status_of(gone) == 401);
  // Else it would stand beside the next proof.
  CHECK(has(header_of(gone, "Set-Cookie"), "ringfence_session=; Max-Age=0"));
  CHECK(f.told() == "login session_created logout");

  f.events.clear();
  Browser idle(f, "ana", "secret of ana");
  f.pass_ms(3'500'000);
  CHECK(idle.status("GET", me_path) == 200);
  f.pass_ms(3'600'000);
  CHECK(idle.status("GET", me_path) == 401);
  f.pass_ms(60'000);
  CHECK(f.told() == "login session_created session_expired");

  f.events.clear();
  Browser reset(f, "ana", "secret of ana");
  ana.password_set_us += 1;
  CHECK(reset.status("GET", me_path) == 401);
  CHECK(f.told() == "login session_created session_expired");
  CHECK(f.events.back().reason == "the password was changed");

  Browser last(f, "ana", "secret of ana");
  f.remove_user("ana");
  CHECK(last.status("GET", me_path) == 401);
  CHECK(status_of(f.ask("POST", "/api/v1/auth/logout", as_admin())) == 409);
}

TEST_CASE("who changes his password keeps his session under another token, and all others of his end") {
  ApiFixture f;
  control::UserFacts& ana = f.put_user("ana", auth::Scopes({"self:*"}), "secret of ana");
  ana.must_change_password = true;
  f.put_user("bob", auth::Scopes(), "secret of bob");
  follow(f, ana);
  Browser here(f, "ana", "secret of ana"), there(f, "ana", "secret of ana"), bob(f, "bob", "secret of bob");
  f.events.clear();
  const std::string old = here.headers();
  here.take(f.ask("PUT", password_path, old, passwords("secret of ana", "better secret")));
  CHECK(status_of(here.response) == 200);
  CHECK(f.records.asked.back() == "password of ana (browser session) of 1");
  CHECK(json_of(here.response)["user"]["must_change_password"] == false);
  CHECK(f.told() == "password_change session_expired session_refreshed");
  CHECK(status_of(f.ask("GET", me_path, old)) == 401);
  CHECK(there.status("GET", me_path) == 401);
  CHECK(here.status("GET", me_path) == 200);
  CHECK(here.status("POST", "/api/v1/auth/logout") == 204);
  CHECK(bob.status("GET", me_path) == 200);
  // With Basic there is no session to go on with.
  CHECK(status_of(f.ask("PUT", password_path, basic("ana", "better secret"),
                        passwords("better secret", "another one"))) == 204);
  CHECK(f.told().ends_with(" password_change"));
}

TEST_CASE("a change of the password is refused with a reason, and changes nothing") {
  ApiFixture f;
  control::UserFacts& ana = f.put_user("ana", auth::Scopes::all(), "secret of ana");
  const std::string proof = basic("ana", "secret of ana");
  const std::string wrong = f.ask("PUT", password_path, proof, passwords("x", "better secret"));
  CHECK(status_of(wrong) == 422);
  CHECK(json_of(wrong)["errors"][0]["field"] == "current_password");
  CHECK(f.told() == "password_change(denied)");
  const std::string same = f.ask("PUT", password_path, proof, passwords("secret of ana", "secret of ana"));
  CHECK(json_of(same)["errors"][0]["field"] == "new_password");
  CHECK(f.records.asked.empty());

  f.records.next.kind = control::Answer::Kind::invalid;
  f.records.next.defects = {{"password", "is too short"}};
  const std::string weak = f.ask("PUT", password_path, proof, passwords("secret of ana", "x"));
  CHECK(status_of(weak) == 422);
  CHECK(json_of(weak)["errors"] == Json{{{"field", "new_password"}, {"message", "is too short"}}});
  f.records.next = {};
  f.records.next.kind = control::Answer::Kind::stale;
  CHECK(status_of(f.ask("PUT", password_path, proof, passwords("secret of ana", "y"))) == 409);
  f.records.next.kind = control::Answer::Kind::unavailable;
  CHECK(status_of(f.ask("PUT", password_path, proof, passwords("secret of ana", "y"))) == 503);
  f.records.is_busy = true;
  CHECK(f.ask("PUT", password_path, proof, passwords("secret of ana", "y")).empty());
  f.pass_ms(15'000);
  CHECK(status_of(f.heard()) == 503);
  CHECK(f.told() == "password_change(denied)");

  // Whoever has no password of his own here.
  const std::string key = "X-API-Key: " + f.put_key(ana, {}) + "\r\n";
  CHECK(status_of(f.ask("PUT", password_path, key, passwords("secret of ana", "y"))) == 403);
  CHECK(status_of(f.ask("PUT", password_path, as_admin(), passwords("secret of ana", "y"))) == 403);
}
