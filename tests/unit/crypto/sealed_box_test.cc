#include <doctest/doctest.h>

#include "hex.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/sealed_box.h"

using namespace ringfence;
using namespace ringfence::crypto;

namespace {

BoxKey key_of(std::string_view hex) {
  BoxKey key{};
  std::string bytes = unhex(hex);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}
std::array<uint8_t, box_tag_bytes> tag_of(std::string_view hex) {
  std::array<uint8_t, box_tag_bytes> tag{};
  std::string bytes = unhex(hex);
  std::copy(bytes.begin(), bytes.end(), tag.begin());
  return tag;
}

}  // namespace

// "The Galois/Counter Mode of Operation (GCM)", McGrew and Viega, appendix B, cases 13, 14 and 16.
TEST_CASE("AES-256-GCM gives the published answers") {
  struct Case {
    std::string_view key, nonce, context, text, sealed, tag;
  };
  constexpr std::string_view zeros = "0000000000000000000000000000000000000000000000000000000000000000";
  constexpr std::string_view key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  const Case cases[] = {
      {zeros, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {zeros, "000000000000000000000000", "", "00000000000000000000000000000000",
       "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
      {key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
       "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
       "b16aedf5aa0de657ba637b39",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
       "c5f61e6393ba7a0abcc9f662",
       "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const Case& one : cases) {
    const std::string text = unhex(one.text);
    std::string out(text.size(), '\0');
    std::array<uint8_t, box_tag_bytes> tag{};
    CHECK(aes_256_gcm_encrypt(key_of(one.key), unhex(one.nonce), unhex(one.context), text, out.data(), tag));
    CHECK(out == unhex(one.sealed));
    CHECK(tag == tag_of(one.tag));
    std::string opened(text.size(), '\0');
    CHECK(aes_256_gcm_decrypt(key_of(one.key), unhex(one.nonce), unhex(one.context), out, view_of(tag),
                              opened.data()));
    CHECK(opened == text);
  }
}

TEST_CASE("a box opens with its key and its context alone, and as it was sealed") {
  const BoxKey key = key_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string text = "ALTER ROLE ada PASSWORD 'hunter2'";
  auto box = seal_box(key, "event 1", text);
  REQUIRE(box);
  CHECK(box->size() == text.size() + box_overhead);
  CHECK(box->find("hunter2") == std::string::npos);
  CHECK(*open_box(key, "event 1", *box) == text);
  CHECK(open_box(key, "event 2", *box).error().fault == Fault::denied);
  BoxKey other = key;
  other[31] ^= 1;
  CHECK(open_box(other, "event 1", *box).error().fault == Fault::denied);
  for (size_t i = 0; i < box->size(); ++i) {
    std::string changed = *box;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(open_box(key, "event 1", changed));
  }
  CHECK(open_box(key, "event 1", box->substr(0, box_overhead - 1)).error().fault == Fault::malformed);
  CHECK_FALSE(open_box(key, "event 1", box->substr(1)));
}

TEST_CASE("two boxes of one text have nothing in common, and an empty text has one") {
  const BoxKey key{};
  auto one = seal_box(key, "", "same");
  auto two = seal_box(key, "", "same");
  REQUIRE((one && two));
  CHECK(one->substr(0, box_salt_bytes) != two->substr(0, box_salt_bytes));
  CHECK(one->substr(box_salt_bytes, box_nonce_bytes) != two->substr(box_salt_bytes, box_nonce_bytes));
  CHECK(one->substr(28, 4) != two->substr(28, 4));
  auto none = seal_box(key, "c", "");
  REQUIRE(none);
  CHECK(open_box(key, "c", *none)->empty());
}
