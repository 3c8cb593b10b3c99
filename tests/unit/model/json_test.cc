#include "ringfence/model/json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "ringfence/base/clock.h"
#include "ringfence/model/scope_form.h"
#include "ringfence/model/timestamp.h"

using namespace ringfence;
using namespace ringfence::model;

TEST_CASE("JSON that two readers could take in two ways is refused") {
  CHECK(canonical_json(*parse_json(R"( {"b": [1, "ä\n"], "a": null} )")) ==
        "{\"a\":null,\"b\":[1,\"ä\\n\"]}");
  for (const char* bad :
       {"", "{", "{\"a\":1,\"a\":2}", "{\"x\":{\"b\":1,\"b\":1}}", "1.5", "1e3", "9007199254740992",
        "-9007199254740992", "\"\\u0000\"", "\"\xff\"", "{\"a\":1} x", "[1,]", "nan"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_json(bad));
  }
  CHECK(parse_json("9007199254740991"));
  CHECK(parse_json(std::string(16, '[') + std::string(16, ']')));
  CHECK_FALSE(parse_json(std::string(17, '[') + std::string(17, ']')));
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')));
  // Brackets in a text are text.
  CHECK(parse_json("\"" + std::string(100, '[') + "\\\"" + std::string(100, '{') + "\""));
}

TEST_CASE("a time is what RFC 3339 says, and nothing else") {
  CHECK(rfc3339(*parse_rfc3339("2026-01-02T03:04:05Z")) == "2026-01-02T03:04:05.000000Z");
  CHECK(rfc3339(*parse_rfc3339("2026-01-02t03:04:05.12+05:30")) == "2026-01-01T21:34:05.120000Z");
  CHECK(rfc3339(*parse_rfc3339("2024-02-29 23:59:59-23:59")) == "2024-03-01T23:58:59.000000Z");
  CHECK(*parse_rfc3339("1970-01-01T00:00:00.000001Z") == 1);
  for (const char* bad :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-01-02T24:00:00Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05Zx",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "+026-01-02T03:04:05Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
}

TEST_CASE("a scope covers what it names, and a star all of one resource") {
  for (const char* good : {"audit:read", "audit:*", "*", "a-b_1:c"}) CHECK(check_scope(good).empty());
  for (const char* bad :
       {"", "audit", "audit:", ":read", "Audit:read", "au*:read", "*:read", "a:b:c", "a:b*", "**"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_scope(bad).empty());
  }
  CHECK(covers("audit:*", "audit:read"));
  CHECK(covers("*", "audit:read"));
  CHECK_FALSE(covers("audit:*", "auditor:read"));
  CHECK_FALSE(covers("audit:read", "audit:*"));
}
