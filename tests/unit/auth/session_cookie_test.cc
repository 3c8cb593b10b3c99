#include <doctest/doctest.h>

#include "ringfence/auth/session_cookie.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

const std::string token = "0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdQ";

void is_refused(const std::string& cookies, Fault fault, bool is_secure = false) {
  auto found = session_token_in(cookies, is_secure);
  REQUIRE_MESSAGE(!found.has_value(), cookies);
  CHECK_MESSAGE(found.error().fault == fault, cookies);
}

}  // namespace

TEST_CASE("The cookie is kept from scripts, from other sites, and by TLS from other hosts") {
  CHECK(session_cookie(token, 43'200, false) ==
        "ringfence_session=" + token + "; Max-Age=43200; HttpOnly; SameSite=Strict; Path=/");
  CHECK(session_cookie(token, 43'200, true) ==
        "__Host-ringfence_session=" + token + "; Max-Age=43200; HttpOnly; SameSite=Strict; Path=/; Secure");
  CHECK(session_cookie_removal(false) == "ringfence_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/");
  CHECK(session_cookie_removal(true) ==
        "__Host-ringfence_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/; Secure");
}

TEST_CASE("The token is found among other cookies") {
  for (const std::string& cookies :
       {"ringfence_session=" + token, "a=b; ringfence_session=" + token,
        "ringfence_session=" + token + "; a=b",
        "a; =; b=\"x;y\"; ringfence_session=" + token +
            "; xringfence_session=1; ringfence_sessionx=2; Ringfence_session=3"}) {
    auto found = session_token_in(cookies, false);
    REQUIRE_MESSAGE(found.has_value(), cookies);
    CHECK(*found == token);
  }
  const std::string cookies = "__Host-ringfence_session=" + token + "; ringfence_session=x";
  auto secure = session_token_in(cookies, true);
  REQUIRE(secure.has_value());
  CHECK(*secure == token);
}

TEST_CASE("By TLS only the cookie counts that browsers give to this host alone") {
  is_refused("ringfence_session=" + token, Fault::not_found, true);
  is_refused("__Host-ringfence_session=" + token, Fault::not_found, false);
}

TEST_CASE("A cookie that stands twice is refused, even with the same value") {
  is_refused("ringfence_session=" + token + "; ringfence_session=" + token, Fault::malformed);
  is_refused("ringfence_session=; ringfence_session=" + token, Fault::malformed);
}

TEST_CASE("A value that is no token is refused") {
  for (const std::string& value :
       {std::string(), token + "A", token.substr(1), "\"" + token + "\"", token + " ", " " + token,
        token.substr(0, 42) + "B", token.substr(0, 42) + "=", token + ";", token + "\t"})
    is_refused("ringfence_session=" + value, Fault::malformed);
  is_refused("ringfence_session", Fault::not_found);
  is_refused("", Fault::not_found);
  is_refused("; ; ", Fault::not_found);
  is_refused(";ringfence_session=" + token, Fault::not_found);
}

TEST_CASE("A header has at most 8 KiB") {
  const std::string cookie = "; ringfence_session=" + token;
  CHECK(session_token_in(std::string(cookies_bytes_max - cookie.size(), 'x') + cookie, false).has_value());
  is_refused(std::string(cookies_bytes_max - cookie.size() + 1, 'x') + cookie, Fault::limit);
}
