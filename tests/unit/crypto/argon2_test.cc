#include <doctest/doctest.h>

#include "ringfence/crypto/argon2.h"

using namespace ringfence;
using namespace ringfence::crypto;

namespace {

constexpr Argon2Cost small{64, 1, 1};

std::string hex(const Digest& digest) {
  std::string out;
  for (uint8_t byte : digest) {
    out.push_back("0123456789abcdef"[byte >> 4]);
    out.push_back("0123456789abcdef"[byte & 15]);
  }
  return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

}  // namespace

// Known answers of the reference implementation for Argon2id, version 0x13.
TEST_CASE("Argon2id gives the reference implementation's answers") {
  struct Case {
    Argon2Cost cost;
    std::string_view password, salt, tag;
  };
  const Case cases[] = {
      {{65536, 2, 1},
       "password",
       "somesalt",
       "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"},
      {{256, 2, 1},
       "password",
       "somesalt",
       "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"},
      {{256, 2, 2},
       "password",
       "somesalt",
       "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"},
      {{65536, 1, 1},
       "password",
       "somesalt",
       "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"},
  };
  for (const Case& one : cases) {
    auto tag = argon2id(one.password, one.salt, one.cost);
    REQUIRE(tag.has_value());
    CHECK(hex(*tag) == one.tag);
  }
}

TEST_CASE("A hash fits its password and no other one, also after its text form") {
  auto made = make_argon2_hash("correct horse", small);
  REQUIRE(made.has_value());
  const std::string text = format_argon2_hash(*made);
  CHECK(text.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
  auto read = parse_argon2_hash(text);
  REQUIRE(read.has_value());
  CHECK(read->cost == small);
  CHECK(format_argon2_hash(*read) == text);
  CHECK(verify_argon2_hash("correct horse", *read).value());
  CHECK_FALSE(verify_argon2_hash("correct horsf", *read).value());
  CHECK_FALSE(verify_argon2_hash("correct horse ", *read).value());
  CHECK_FALSE(verify_argon2_hash("", *read).value());
  // One bit of the tag decides.
  read->tag.back() ^= 1;
  CHECK_FALSE(verify_argon2_hash("correct horse", *read).value());
}

TEST_CASE("Two hashes of one password have different salts") {
  auto one = make_argon2_hash("correct horse", small);
  auto other = make_argon2_hash("correct horse", small);
  REQUIRE(one.has_value());
  REQUIRE(other.has_value());
  CHECK(one->salt != other->salt);
  CHECK(one->tag != other->tag);
}

TEST_CASE("The default costs 64 MiB, three passes and one lane") {
  Argon2Hash hash;
  CHECK(format_argon2_hash(hash).starts_with("$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"));
  CHECK(is_allowed(hash.cost));
  CHECK_FALSE(needs_rehash(hash, {}));
  hash.cost.memory_kib /= 2;
  CHECK(needs_rehash(hash, {}));
  hash.cost = {64 * 1024, 2, 1};
  CHECK(needs_rehash(hash, {}));
  hash.cost = {64 * 1024, 3, 4};
  CHECK(needs_rehash(hash, {}));
}

TEST_CASE("A text that asks for more than the bounds is refused") {
  const std::string text = format_argon2_hash({});
  CHECK(parse_argon2_hash(text).has_value());
  CHECK(parse_argon2_hash(replaced(text, "m=65536", "m=262144")).has_value());
  for (const char* memory : {"m=262145", "m=4194304", "m=4294967295", "m=4294967296", "m=7", "m=0"})
    CHECK_FALSE(parse_argon2_hash(replaced(text, "m=65536", memory)).has_value());
  CHECK(parse_argon2_hash(replaced(text, "t=3", "t=16")).has_value());
  for (const char* iterations : {"t=17", "t=0", "t=4294967297"})
    CHECK_FALSE(parse_argon2_hash(replaced(text, "t=3", iterations)).has_value());
  CHECK(parse_argon2_hash(replaced(text, "p=1", "p=16")).has_value());
  for (const char* lanes : {"p=17", "p=0", "p=16777216"})
    CHECK_FALSE(parse_argon2_hash(replaced(text, "p=1", lanes)).has_value());
  // Eight blocks for each lane.
  CHECK(parse_argon2_hash(replaced(text, "m=65536,t=3,p=1", "m=32,t=3,p=4")).has_value());
  CHECK_FALSE(parse_argon2_hash(replaced(text, "m=65536,t=3,p=1", "m=31,t=3,p=4")).has_value());
}

TEST_CASE("A text in any other form is refused") {
  auto made = make_argon2_hash("x", small);
  REQUIRE(made.has_value());
  const std::string text = format_argon2_hash(*made);
  for (size_t size = 0; size < text.size(); ++size)
    CHECK_FALSE(parse_argon2_hash(text.substr(0, size)).has_value());
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"$argon2id", "$argon2i"},
      {"$argon2id", "argon2id"},
      {"v=19", "v=16"},
      {"$v=19", ""},
      {"m=64", "m=064"},
      {"m=64", "m=+64"},
      {"m=64", "m= 64"},
      {"m=64", "m=64k"},
      {"m=64", "m=-64"},
      {"m=64,t=1", "t=1,m=64"},
      {",p=1", ""},
      {"p=1$", "p=1,keyid=A$"},
      {"p=1$", "p=1$$"},
      {"m=64", "m="},
      {"p=1$", "p=1$="},
      {"t=1", "t=1 "},
  };
  for (const auto& [what, by] : changes) {
    INFO(what << " → " << by);
    CHECK_FALSE(parse_argon2_hash(replaced(text, what, by)).has_value());
  }
  for (const char* tail : {"=", "A", " ", "\n", "$", "$A"})
    CHECK_FALSE(parse_argon2_hash(text + tail).has_value());
  for (size_t from : {text.rfind('$') - 1, text.size() - 1}) {
    std::string padded = text;
    padded[from] = '=';
    CHECK_FALSE(parse_argon2_hash(padded).has_value());
  }
  // The last digit of 16 bytes in base64 has four unused bits; a second text for the same salt is none.
  const size_t salt_end = text.rfind('$');
  std::string twin = text;
  twin[salt_end - 1] = static_cast<char>(twin[salt_end - 1] == 'z' ? 'y' : twin[salt_end - 1] + 1);
  CHECK_FALSE(parse_argon2_hash(twin).has_value());
}
