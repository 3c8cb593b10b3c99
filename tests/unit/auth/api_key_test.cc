#include <doctest/doctest.h>

#include <set>

#include "ringfence/auth/api_key.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

constexpr uint64_t now_us = 1'800'000'000'000'000;

NewApiKey key() {
  auto made = make_api_key();
  REQUIRE(made.has_value());
  return std::move(*made);
}

ApiKeyFacts facts_of(const NewApiKey& key) {
  ApiKeyFacts out;
  out.prefix = key.prefix;
  out.hash = key.hash;
  return out;
}

}  // namespace

TEST_CASE("A key has the form rf_<prefix>_<256 bits>, and its prefix is read from it") {
  for (int i = 0; i < 100; ++i) {
    const NewApiKey one = key();
    const std::string text(one.text.reveal());
    CHECK(text.size() == 55);
    CHECK(text.starts_with("rf_" + one.prefix + "_"));
    CHECK(is_api_key_prefix(one.prefix));
    auto prefix = api_key_prefix(text);
    REQUIRE(prefix.has_value());
    CHECK(*prefix == one.prefix);
    CHECK(one.hash == crypto::sha256(text));
  }
}

TEST_CASE("No two keys have a prefix or a text in common") {
  std::set<std::string> prefixes;
  std::set<std::string> secrets;
  for (int i = 0; i < 200; ++i) {
    const NewApiKey one = key();
    prefixes.insert(one.prefix);
    secrets.insert(std::string(one.text.reveal().substr(12)));
  }
  CHECK(prefixes.size() == 200);
  CHECK(secrets.size() == 200);
}

TEST_CASE("A text of any other form is no key") {
  const std::string text = "rf_abcdefg2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  REQUIRE(api_key_prefix(text).has_value());
  for (size_t size = 0; size < text.size(); ++size)
    CHECK_FALSE(api_key_prefix(text.substr(0, size)).has_value());
  for (size_t at = 0; at < text.size(); ++at) {
    for (char c : {'\0', ' ', '=', '+', '/', '.', '\x80'}) {
      std::string other = text;
      other[at] = c;
      CHECK_FALSE(api_key_prefix(other).has_value());
    }
  }
  for (const char* tail : {"A", "=", " ", "\n"}) CHECK_FALSE(api_key_prefix(text + tail).has_value());
  CHECK_FALSE(api_key_prefix("RF" + text.substr(2)).has_value());
  CHECK_FALSE(api_key_prefix("rf_ABCDEFGH" + text.substr(11)).has_value());
  CHECK_FALSE(api_key_prefix("rf_abcdefg1" + text.substr(11)).has_value());
  // Bits behind the 256th.
  CHECK_FALSE(api_key_prefix(text.substr(0, 54) + "B").has_value());
  CHECK(api_key_prefix(text.substr(0, 54) + "E").has_value());
}

TEST_CASE("A key fits its facts alone") {
  const NewApiKey one = key();
  const NewApiKey other = key();
  const ApiKeyFacts facts = facts_of(one);
  CHECK(check_api_key(one.text.reveal(), &facts, now_us) == ApiKeyOutcome::ok);
  CHECK(check_api_key(other.text.reveal(), &facts, now_us) == ApiKeyOutcome::wrong);
  CHECK(check_api_key(one.text.reveal(), nullptr, now_us) == ApiKeyOutcome::unknown);
  CHECK(check_api_key("rf_abc", &facts, now_us) == ApiKeyOutcome::malformed);
  CHECK(check_api_key("", nullptr, now_us) == ApiKeyOutcome::malformed);
  // The right secret under another prefix is another text.
  std::string moved(one.text.reveal());
  moved[3] = moved[3] == 'a' ? 'b' : 'a';
  CHECK(check_api_key(moved, &facts, now_us) == ApiKeyOutcome::wrong);
}

TEST_CASE("Facts that hold no hash fit nothing") {
  const ApiKeyFacts empty;
  CHECK(check_api_key(key().text.reveal(), &empty, now_us) == ApiKeyOutcome::wrong);
}

TEST_CASE("A key ends with its time, to the microsecond") {
  const NewApiKey one = key();
  ApiKeyFacts facts = facts_of(one);
  facts.expires_at = now_us;
  CHECK(check_api_key(one.text.reveal(), &facts, now_us - 1) == ApiKeyOutcome::ok);
  CHECK(check_api_key(one.text.reveal(), &facts, now_us) == ApiKeyOutcome::expired);
  CHECK(check_api_key(one.text.reveal(), &facts, now_us + 1) == ApiKeyOutcome::expired);
}

TEST_CASE("Only who has the whole key learns that it is revoked or expired") {
  const NewApiKey one = key();
  ApiKeyFacts facts = facts_of(one);
  facts.is_revoked = true;
  facts.expires_at = now_us - 1;
  std::string wrong(one.text.reveal());
  wrong[20] = wrong[20] == 'a' ? 'b' : 'a';
  CHECK(check_api_key(one.text.reveal(), &facts, now_us) == ApiKeyOutcome::revoked);
  CHECK(check_api_key(wrong, &facts, now_us) == ApiKeyOutcome::wrong);
  facts.is_revoked = false;
  CHECK(check_api_key(one.text.reveal(), &facts, now_us) == ApiKeyOutcome::expired);
  CHECK(check_api_key(wrong, &facts, now_us) == ApiKeyOutcome::wrong);
}

TEST_CASE("Each outcome has a word of its own") {
  std::set<std::string_view> words;
  for (auto outcome : {ApiKeyOutcome::ok, ApiKeyOutcome::malformed, ApiKeyOutcome::unknown,
                       ApiKeyOutcome::wrong, ApiKeyOutcome::expired, ApiKeyOutcome::revoked})
    words.insert(api_key_outcome_name(outcome));
  CHECK(words.size() == 6);
}
