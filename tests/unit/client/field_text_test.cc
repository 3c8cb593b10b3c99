#include "field_text.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace ringfence::client;
using ringfence::model::find_noun;
using ringfence::model::Json;

namespace {

constexpr uint64_t now_us = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

const ringfence::model::Noun& noun(const char* name) { return *find_noun(name); }

// What the word gives, or why not.
std::string given(const char* name, const std::string& word, bool is_change = false) {
  auto text = parse_field_text(noun(name), word, is_change, now_us);
  if (!text) return "refused: " + text.error().message;
  if (!text->is_relative) return text->value.dump();
  return "+" + Json(text->added).dump() + " -" + Json(text->removed).dump();
}

bool is_refused(const char* name, const std::string& word, const std::string& why, bool is_change = false) {
  const std::string text = given(name, word, is_change);
  CAPTURE(text);
  CHECK(text.starts_with("refused: "));
  return text.find(why) != std::string::npos;
}

Json after(const std::string& word, const Json& current) {
  auto text = parse_field_text(noun("user"), word, true, now_us);
  REQUIRE(text);
  REQUIRE(text->is_relative);
  return applied(*text, current);
}

}  // namespace

TEST_CASE("a word gives a value of the field's kind") {
  CHECK(given("user", "display_name=Ana = B") == "\"Ana = B\"");
  CHECK(given("user", "display_name=+1") == "\"+1\"");
  CHECK(given("user", "display_name=") == "\"\"");
  CHECK(given("user", "enabled=false") == "false");
  CHECK(given("user", "roles=operator,auditor") == R"(["operator","auditor"])");
  CHECK(given("user", "roles=") == "[]");
  CHECK(given("user", R"(roles=["a,b"])") == R"(["a,b"])");
  CHECK(given("role", "priority=-7") == "-7");
  CHECK(given("target", "hosts=::1,[::1]") == R"(["::1","[::1]"])");
  CHECK(given("policy", R"(deny=[{"kinds": ["drop_*"]}])") == R"([{"kinds":["drop_*"]}])");
  CHECK(given("policy", "metadata=env:prod,team:a:b") == R"({"env":"prod","team":"a:b"})");
  CHECK(given("policy", R"(metadata={"env": "a,b"})") == R"({"env":"a,b"})");
  CHECK(given("user", "email=null") == "null");
  CHECK(given("user", "password=null") == "null");
}

TEST_CASE("a time is RFC 3339, a date, or an offset from now") {
  CHECK(given("user", "expires_at=2027-01-01T00:00:00Z") == "\"2027-01-01T00:00:00Z\"");
  CHECK(given("user", "expires_at=2027-01-01") == "\"2027-01-01T00:00:00Z\"");
  CHECK(given("user", "expires_at=+30d") == "\"2026-01-31T00:00:00.000000Z\"");
  CHECK(given("user", "expires_at=+90m") == "\"2026-01-01T01:30:00.000000Z\"");
  for (const char* wrong : {"+", "+d", "+0d", "+1w", "+-1d", "+1.5d", "+99999999999999999999d", "+999999d"}) {
    CAPTURE(wrong);
    CHECK(is_refused("user", std::string("expires_at=") + wrong, "is no duration"));
  }
}

TEST_CASE("what makes no sense is refused with the field's name and the cure") {
  CHECK(is_refused("user", "rolls=auditor", "\"rolls\" is no field of a user; did you mean roles"));
  CHECK(is_refused("user", "verifier=x", "\"verifier\" is no field"));
  CHECK(is_refused("user", "password_set_at=2027-01-01", "is no field"));
  CHECK(is_refused("user", "enabled=yes", "enabled: \"yes\" is neither true nor false"));
  CHECK(is_refused("role", "priority=1x", "priority: \"1x\" is no whole number"));
  CHECK(is_refused("role", "priority=99999999999999999999", "is no whole number"));
  CHECK(is_refused("user", "=x", "is no FIELD=VALUE"));
  CHECK(is_refused("user", "auditor", "is no FIELD=VALUE"));
  CHECK(is_refused("user", R"(roles=["a")", "roles: is no JSON"));
}

TEST_CASE("a secret is refused as a word, and is not repeated") {
  const std::string text = given("user", "password=hunter22");
  CHECK(text.find("--password-stdin") != std::string::npos);
  CHECK(text.find("hunter22") == std::string::npos);
}

TEST_CASE("plus and minus change a list, and only of a record that is there") {
  CHECK(given("user", "roles=+a,-b,+c", true) == R"(+["a","c"] -["b"])");
  CHECK(is_refused("user", "roles=+a,b", "give it to all entries or to none", true));
  CHECK(is_refused("user", "roles=+a,-", "has no + or -", true));
  CHECK(is_refused("user", "roles=+a", "a new record has no list"));
  CHECK(after("roles=+auditor", {"user"}) == Json({"user", "auditor"}));
  CHECK(after("roles=-user,+auditor", {"user", "x"}) == Json({"x", "auditor"}));
  CHECK(after("roles=+user,+user", {"user"}) == Json({"user"}));
  CHECK(after("roles=-nobody", {"user"}) == Json({"user"}));
  CHECK(after("roles=-user", {"user"}) == Json::array());
  CHECK(after("roles=+a", Json()) == Json({"a"}));
}

TEST_CASE("labels change by key") {
  auto text = parse_field_text(noun("policy"), "metadata=+env:prod,-team", true, now_us);
  REQUIRE(text);
  CHECK(applied(*text, {{"team", "x"}, {"env", "lab"}, {"a", "b"}}) == Json({{"a", "b"}, {"env", "prod"}}));
  CHECK(applied(*text, Json()) == Json({{"env", "prod"}}));
  CHECK(is_refused("policy", "metadata=+env", "is no KEY:VALUE", true));
}

TEST_CASE("filters are the fields by which a list is asked") {
  auto filter = parse_filter(noun("user"), "roles=auditor");
  REQUIRE(filter);
  CHECK(*filter == std::pair<std::string, std::string>("roles", "auditor"));
  auto none = parse_filter(noun("user"), "password=x");
  REQUIRE(!none);
  CHECK(none.error().exit == Exit::usage);
  CHECK(none.error().message.find("is no filter of a user") != std::string::npos);
}

TEST_CASE("words for completion have what can be given, and no secret") {
  const auto words = field_words(noun("user"), "update");
  const auto has = [&](const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  CHECK(has("roles="));
  CHECK(has("enabled=true"));
  CHECK(!has("name="));
  CHECK(!has("password="));
  CHECK(!has("password_set_at="));
  const auto filters = field_words(noun("target"), "list");
  CHECK(std::find(filters.begin(), filters.end(), "type=postgres") != filters.end());
  CHECK(std::find(filters.begin(), filters.end(), "hosts=") == filters.end());
}
