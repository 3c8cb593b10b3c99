#include "endpoint.h"

#include <doctest/doctest.h>

#include "connection.h"

using namespace ringfence::client;

namespace {

// The URL, or the exit status and the message.
std::string url_or_refusal(const std::string& text, bool allows_plain_http = false) {
  auto checked = checked_url(text, allows_plain_http);
  if (checked) return *checked;
  return std::to_string(static_cast<int>(checked.error().exit)) + " " + checked.error().message;
}

}  // namespace

TEST_CASE("a URL loses the slash at its end and keeps a path") {
  CHECK(url_or_refusal("https://ringfence.example:8432/") == "https://ringfence.example:8432");
  CHECK(url_or_refusal("https://ringfence.example") == "https://ringfence.example");
  CHECK(url_or_refusal("https://example.org/ringfence/") == "https://example.org/ringfence");
}

TEST_CASE("plain http goes to this machine alone, unless somebody says otherwise") {
  CHECK(url_or_refusal("http://127.0.0.1:8432") == "http://127.0.0.1:8432");
  CHECK(url_or_refusal("http://localhost:8432") == "http://localhost:8432");
  CHECK(url_or_refusal("http://[::1]:8432") == "http://[::1]:8432");
  CHECK(url_or_refusal("http://ringfence.example").find("2 plain http to ringfence.example") == 0);
  CHECK(url_or_refusal("http://ringfence.example").find("--insecure-http") != std::string::npos);
  CHECK(url_or_refusal("http://localhost.example.org").starts_with("2 plain http"));
  CHECK(url_or_refusal("http://127.0.0.1.example.org").starts_with("2 plain http"));
  CHECK(url_or_refusal("http://ringfence.example", true) == "http://ringfence.example");
}

TEST_CASE("what is no URL of an appliance is refused, and secrets are not repeated") {
  for (const char* text : {"", "ringfence.example", "ftp://ringfence.example", "https://", "https://a b",
                           "https://ringfence.example/?x=1", "https://ringfence.example/#x"}) {
    CAPTURE(text);
    CHECK(url_or_refusal(text).starts_with("2 "));
  }
  const std::string refusal = url_or_refusal("https://ana:secret123@ringfence.example");
  CHECK(refusal.starts_with("2 the URL holds a user or a password"));
  CHECK(refusal.find("secret123") == std::string::npos);
}

TEST_CASE("a refusal becomes a message with fields and the exit status") {
  const HttpAnswer invalid{.status = 422, .body = R"({"detail": "the record is not valid", "status": 422,
    "errors": [{"field": "roles[1]", "message": "names no role that there is; make it first"}]})"};
  const Failure failure = failure_of(invalid, "create user ana", "https://x");
  CHECK(failure.exit == Exit::refused);
  CHECK(failure.message ==
        "cannot create user ana: the record is not valid\n"
        "  roles[1]: names no role that there is; make it first");
  const std::pair<long, Exit> statuses[] = {
      {400, Exit::refused},  {401, Exit::denied},   {403, Exit::denied},      {404, Exit::not_found},
      {409, Exit::conflict}, {412, Exit::conflict}, {503, Exit::unreachable}, {500, Exit::refused}};
  for (const auto& [status, exit] : statuses) {
    CAPTURE(status);
    CHECK(failure_of({.status = status, .body = "no JSON"}, "x", "https://x").exit == exit);
    CHECK(failure_of({.status = status, .body = "[]"}, "x", "https://x").exit == exit);
    CHECK(failure_of({.status = status, .body = R"({"errors": 7, "detail": {}})"}, "x", "https://x").exit ==
          exit);
  }
  CHECK(failure_of({.status = 401}, "x", "https://x").message.find("ringfence login --url https://x") !=
        std::string::npos);
}

TEST_CASE("names go into a path and a query as they are") {
  CHECK(path_of({"users", "ana b/../ü"}) == "/api/v1/users/ana%20b%2F..%2F%C3%BC");
  CHECK(query_of({}).empty());
  CHECK(query_of({{"limit", "10"}, {"name", "a&b=c"}}) == "?limit=10&name=a%26b%3Dc");
}
