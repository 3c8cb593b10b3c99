#include <doctest/doctest.h>

#include "ringfence/audit/json.h"

using namespace ringfence;
using namespace ringfence::audit;

TEST_CASE("canonical JSON is known without parsing it into a tree") {
  for (const char* json :
       {"null", "true", "{}", "[]", "[1,2]", "-5", "0", "9007199254740991", "\"a\\n\\u0001\"",
        "{\"a\":1,\"b\":{\"c\":[[]]}}", "[{\"a\":null},\"\xc3\xa4\"]", "\"\""}) {
    CAPTURE(json);
    CHECK(is_canonical_json(json));
    CHECK(canonicalise_json(json).value() == json);
  }
}

TEST_CASE("what is not canonical is refused, and made canonical") {
  const std::pair<const char*, const char*> cases[] = {
      {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
      {"[1, 2]", "[1,2]"},
      {"1.5", "\"1.5\""},
      {"9007199254740992", "\"9007199254740992\""},
      {"-0", "0"},
      {"\"\\u0041\"", "\"A\""},
      {"\"\\/\"", "\"/\""},
      {"\"\\u0000\"", "\"\xef\xbf\xbd\""},
      {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
      {"{\"\xf0\x9f\x98\x80\":1,\"\xee\x80\x80\":2}", "{\"\xf0\x9f\x98\x80\":1,\"\xee\x80\x80\":2}"},
  };
  for (auto [in, out] : cases) {
    CAPTURE(in);
    CHECK(is_canonical_json(in) == (std::string(in) == out));
    auto canonical = canonicalise_json(in);
    REQUIRE(canonical);
    CHECK(*canonical == out);
    CHECK(is_canonical_json(*canonical));
  }
}

TEST_CASE("text that is no JSON is refused by both") {
  std::string deep(1000, '[');
  for (std::string json :
       {std::string(""), std::string("{"), std::string("[1,]"), std::string("\"\xff\""),
        std::string("{\"a\"}"), std::string("nul"), std::string("01"), std::string("1 "), deep}) {
    CAPTURE(json);
    CHECK(!is_canonical_json(json));
    if (json != "1 ") CHECK(!canonicalise_json(json));
  }
}

TEST_CASE("a string is written with the shortest escapes") {
  std::string out;
  append_json_string(out, std::string("a\"\\\b\f\n\r\t\x01\x1f\x7f", 11));
  CHECK(out == "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  CHECK(is_canonical_json(out));
}
