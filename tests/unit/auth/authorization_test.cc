#include <doctest/doctest.h>

#include "ringfence/auth/authorization.h"
#include "ringfence/base/base64.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

std::string basic(std::string_view text) { return "Basic " + base64_encode(text); }

void is_basic(const std::string& value, std::string_view user, std::string_view password) {
  auto parsed = parse_authorization(value);
  REQUIRE_MESSAGE(parsed.has_value(), value);
  const auto* credentials = std::get_if<BasicCredentials>(&*parsed);
  REQUIRE(credentials != nullptr);
  CHECK(credentials->user == user);
  CHECK(credentials->password.reveal() == password);
}

void is_bearer(const std::string& value, std::string_view token) {
  auto parsed = parse_authorization(value);
  REQUIRE_MESSAGE(parsed.has_value(), value);
  const auto* bearer = std::get_if<BearerToken>(&*parsed);
  REQUIRE(bearer != nullptr);
  CHECK(bearer->text.reveal() == token);
}

void is_refused(std::string_view value, Fault fault) {
  auto parsed = parse_authorization(value);
  REQUIRE_MESSAGE(!parsed.has_value(), value);
  CHECK_MESSAGE(parsed.error().fault == fault, value << ": " << parsed.error().message);
}

}  // namespace

TEST_CASE("Basic gives a name and a password") {
  is_basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame");  // RFC 7617, section 2.
  is_basic("Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3");                 // RFC 7617, section 2.1.
  is_basic("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame");
  is_basic("BASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame");
  is_basic(basic("alice:a:b:c"), "alice", "a:b:c");
  is_basic(basic("alice:"), "alice", "");
}

TEST_CASE("Basic that is not base64 to the letter is refused") {
  for (const char* rest : {"", "QWxhZGRpbjpvcGVuIHNlc2FtZQ", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=",
                           "QWxhZGRpbjpvcGVuIHNlc2FtZR==", "QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
                           "QWxhZGRp bjpvcGVuIHNlc2FtZQ==", "YWxpY2U6Pz8_", "====", "YTpi,charset=UTF-8"}) {
    is_refused(std::string("Basic ") + rest, Fault::malformed);
  }
  is_refused("Basic", Fault::malformed);
  is_refused("Basic\tYTpi", Fault::not_found);
}

TEST_CASE("Basic with a name or a password that nobody has is refused") {
  is_refused(basic("alice"), Fault::malformed);
  is_refused(basic(":secret123"), Fault::malformed);
  is_refused(basic("al\nice:secret123"), Fault::malformed);
  is_refused(basic("alice:secret\x01"), Fault::malformed);
  is_refused(basic(std::string_view("alice:\0", 7)), Fault::malformed);
  is_refused(basic("al\xff:secret123"), Fault::malformed);
  is_refused(basic("alice:\xff"), Fault::malformed);
  is_basic(basic(std::string(63, 'a') + ":x"), std::string(63, 'a'), "x");
  is_refused(basic(std::string(64, 'a') + ":x"), Fault::malformed);
  is_basic(basic("a:" + std::string(1024, 'x')), "a", std::string(1024, 'x'));
  is_refused(basic("a:" + std::string(1025, 'x')), Fault::limit);
}

TEST_CASE("Bearer gives its token") {
  is_bearer("Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM");  // RFC 6750, section 2.1.
  is_bearer("bearer abc+/~==", "abc+/~==");
  is_bearer("Bearer   x", "x");
}

TEST_CASE("Bearer with anything but one token is refused") {
  for (const char* rest : {"", "=", "==", "a b", "a ", "a,b", "a=b", "a\"b", "a\x01", "\xc3\xa9", "a\tb"})
    is_refused(std::string("Bearer ") + rest, Fault::malformed);
  is_refused("Bearer", Fault::malformed);
}

TEST_CASE("Other schemes are told apart from what is wrong") {
  for (const char* value : {"", " ", "Digest username=\"x\"", "Negotiate abc", "Basi YTpi", "BasicYTpi",
                            "Bearerx", "Basic:YTpi", " Basic YTpi"})
    is_refused(value, Fault::not_found);
}

TEST_CASE("A header has at most 8 KiB") {
  is_bearer("Bearer " + std::string(authorization_bytes_max - 7, 'x'),
            std::string(authorization_bytes_max - 7, 'x'));
  is_refused("Bearer " + std::string(authorization_bytes_max - 6, 'x'), Fault::limit);
}

TEST_CASE("No message shows a part of what was sent") {
  for (const std::string& value : {basic("topsecretname"), std::string("Bearer topsecret name"),
                                   basic("a:topsecret\x01"), std::string("Topsecret x")}) {
    auto parsed = parse_authorization(value);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message.find("opsecret") == std::string::npos);
  }
}
