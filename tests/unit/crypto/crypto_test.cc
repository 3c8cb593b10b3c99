#include <doctest/doctest.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <set>

#include "hex.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/digest_many.h"
#include "ringfence/crypto/ed25519.h"
#include "ringfence/crypto/secret.h"

using namespace ringfence;
using namespace ringfence::crypto;

namespace {

// Counts what OpenSSL allocates; installed before anything of OpenSSL runs.
size_t allocations = 0;
void* counted_malloc(size_t size, const char*, int) { return ++allocations, std::malloc(size); }
void* counted_realloc(void* p, size_t size, const char*, int) { return ++allocations, std::realloc(p, size); }
void counted_free(void* p, const char*, int) { std::free(p); }
const int installed = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free);

std::string hex(ByteView bytes) {
  std::string out;
  for (char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<uint8_t>(c) >> 4]);
    out.push_back("0123456789abcdef"[c & 15]);
  }
  return out;
}
template <size_t size>
std::string hex(const std::array<uint8_t, size>& bytes) {
  return hex(view_of(bytes));
}
template <size_t size>
std::array<uint8_t, size> array_of(std::string_view text) {
  std::string bytes = unhex(text);
  std::array<uint8_t, size> out{};
  REQUIRE(bytes.size() == size);
  std::memcpy(out.data(), bytes.data(), size);
  return out;
}

}  // namespace

TEST_CASE("SHA-256 gives the examples of FIPS 180-4") {
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(ByteView())) == hex(sha256("")));
  CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("incremental SHA-256 equals one-shot at every split and starts afresh after finish and reset") {
  std::string text;
  for (int i = 0; i < 150; ++i) text.push_back(static_cast<char>(i));
  Sha256 context;
  for (size_t split = 0; split <= text.size(); ++split) {
    context.update(ByteView(text).substr(0, split));
    context.update(ByteView(text).substr(split));
    REQUIRE(context.finish() == sha256(text));
  }
  context.update("left over");
  context.reset();
  context.update("abc");
  CHECK(context.finish() == sha256("abc"));
  Sha256 moved = std::move(context);
  moved.update("abc");
  CHECK(moved.finish() == sha256("abc"));
}

TEST_CASE("hashing with a context allocates nothing") {
  REQUIRE(installed == 1);
  Sha256 context;
  HmacSha256 hmac("key");
  sha256("warm");
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    context.update("some bytes");
    context.finish();
    sha256("some bytes");
  }
  CHECK(allocations == before);
}

TEST_CASE("HMAC-SHA-256 gives the examples of RFC 4231") {
  const std::string key3(20, '\xaa'), data3(50, '\xdd'), key6(131, '\xaa');
  CHECK(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac_sha256(key3, data3)) == "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  CHECK(hex(hmac_sha256(unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
                        std::string(50, '\xcd'))) ==
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  CHECK(hex(hmac_sha256(key6, "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(hex(hmac_sha256(
            key6,
            "This is a test using a larger than block-size key and a larger than block-size data. The "
            "key needs to be hashed before being used by the HMAC algorithm.")) ==
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
  CHECK(hmac_sha256("", "") == hmac_sha256(ByteView(), ByteView()));
}

TEST_CASE("an HMAC context keeps its key over messages") {
  HmacSha256 context("Jefe");
  for (int i = 0; i < 3; ++i) {
    context.update("what do ya want ");
    context.update("for nothing?");
    CHECK(context.finish() == hmac_sha256("Jefe", "what do ya want for nothing?"));
  }
}

TEST_CASE("PBKDF2 gives the known answers of RFC 7914 and of common use") {
  // RFC 7914, section 11, first 32 of 64 bytes.
  CHECK(hex(pbkdf2_hmac_sha256("passwd", "salt", 1)) ==
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK(hex(pbkdf2_hmac_sha256("Password", "NaCl", 80000)) ==
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
  CHECK(hex(pbkdf2_hmac_sha256("password", "salt", 4096)) ==
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
  CHECK(pbkdf2_hmac_sha256("", "salt", 2) == pbkdf2_hmac_sha256(ByteView(), "salt", 2));
}

TEST_CASE("MD5 gives the examples of RFC 1321") {
  CHECK(md5_hex("").value() == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex("message digest").value() == "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST_CASE("Ed25519 gives the examples of RFC 8032") {
  struct Example {
    std::string_view private_key, public_key, message, signature;
  };
  for (const Example& example : {
           Example{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                   "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                   "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
                   "cf9b46b"
                   "d25bf5f0595bbe24655141438e7a100b"},
           Example{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                   "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                   "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
                   "0f11d8c"
                   "387b2eaeb4302aeeb00d291612bb0c00"},
           Example{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                   "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                   "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
                   "84dc659"
                   "4a7c15e9716ed28dc027beceea1ec40a"},
       }) {
    auto private_key = array_of<32>(example.private_key);
    auto public_key = ed25519_public_key(private_key);
    REQUIRE(public_key);
    CHECK(hex(*public_key) == example.public_key);
    const std::string message = unhex(example.message);
    auto signature = ed25519_sign(private_key, message);
    REQUIRE(signature);
    CHECK(hex(*signature) == example.signature);
    CHECK(ed25519_verify(*public_key, message, *signature));
    CHECK_FALSE(ed25519_verify(*public_key, message + "x", *signature));
    for (size_t i = 0; i < signature->size(); ++i) {
      auto damaged = *signature;
      damaged[i] ^= 1;
      CHECK_FALSE(ed25519_verify(*public_key, message, damaged));
    }
  }
}

TEST_CASE("generated Ed25519 keys differ and verify only their own signatures") {
  auto a = ed25519_generate();
  auto b = ed25519_generate();
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a->private_key != b->private_key);
  auto signature = ed25519_sign(a->private_key, "head");
  REQUIRE(signature);
  CHECK(ed25519_verify(a->public_key, "head", *signature));
  CHECK_FALSE(ed25519_verify(b->public_key, "head", *signature));
}

TEST_CASE("random bytes have the size asked for and do not repeat") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random_bytes(16).value());
  CHECK(seen.size() == 100);
  CHECK(random_bytes(0).value().empty());
  CHECK(random_array<32>().value() != random_array<32>().value());
}

TEST_CASE("constant-time comparison tells equal from different in contents and length") {
  CHECK(constant_time_equal("abc", "abc"));
  CHECK(constant_time_equal("", ByteView()));
  CHECK_FALSE(constant_time_equal("abc", "abd"));
  CHECK_FALSE(constant_time_equal("abc", "ab"));
}

TEST_CASE("zeroing empties a string and clears the bytes it held") {
  std::string secret = "a password long enough to live on the heap";
  const char* bytes = secret.data();
  const size_t size = secret.size();
  secure_zero(secret);
  CHECK(secret.empty());
  CHECK(std::string(bytes, size) == std::string(size, '\0'));
}

TEST_CASE("many digests at once are those of each message alone") {
  crypto::Sha256Many many;
  // Lengths around every block boundary, an empty one among them.
  for (size_t count : {0, 1, 2, 15, 16, 17, 130, 300}) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i)
      texts.emplace_back(i == 5 ? 0 : (i * 37) % 700, static_cast<char>('a' + i % 26));
    std::vector<ByteView> messages(texts.begin(), texts.end());
    std::vector<crypto::Digest> digests(count);
    many.digest(messages, digests.data());
    for (size_t i = 0; i < count; ++i) CHECK(digests[i] == crypto::sha256(texts[i]));
  }
}
