// EVP_DigestInit allocates a provider context for each message, so SHA-256 is used through
// OpenSSL's older functions: the same code without the allocation. They are marked deprecated, not removed.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "ringfence/crypto/digest.h"
#include "raw.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <limits>
#include <new>

namespace ringfence::crypto {
namespace {

// Fetched once and kept until the process ends.
EVP_MD* sha256_algorithm() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  RINGFENCE_ASSERT(algorithm != nullptr);
  return algorithm;
}

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  RINGFENCE_ASSERT(algorithm != nullptr);
  return algorithm;
}

static_assert(sizeof(SHA256_CTX) == sizeof(Sha256) && alignof(SHA256_CTX) <= alignof(Sha256));

}  // namespace

void Sha256::reset() { SHA256_Init(new (state_) SHA256_CTX); }

void Sha256::update(ByteView bytes) {
  SHA256_Update(std::launder(reinterpret_cast<SHA256_CTX*>(state_)), raw(bytes), bytes.size());
}

Digest Sha256::finish() {
  Digest out;
  SHA256_Final(out.data(), std::launder(reinterpret_cast<SHA256_CTX*>(state_)));
  reset();
  return out;
}

Digest sha256(ByteView bytes) {
  Sha256 context;
  context.update(bytes);
  return context.finish();
}

HmacSha256::HmacSha256(ByteView key) : context_(EVP_MAC_CTX_new(hmac_algorithm())) {
  RINGFENCE_ASSERT(context_ != nullptr);
  char name[] = "SHA2-256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  RINGFENCE_ASSERT(EVP_MAC_init(context_, raw(key), key.size(), parameters) == 1);
}

HmacSha256::~HmacSha256() { EVP_MAC_CTX_free(context_); }

void HmacSha256::set_key(ByteView key) {
  RINGFENCE_ASSERT(EVP_MAC_init(context_, raw(key), key.size(), nullptr) == 1);
}

void HmacSha256::update(ByteView bytes) {
  RINGFENCE_ASSERT(EVP_MAC_update(context_, raw(bytes), bytes.size()) == 1);
}

Digest HmacSha256::final() {
  Digest out;
  size_t size = 0;
  RINGFENCE_ASSERT(EVP_MAC_final(context_, out.data(), &size, out.size()) == 1 && size == out.size());
  return out;
}

Digest HmacSha256::finish() {
  const Digest out = final();
  // Without a key the context begins again under the one it has.
  RINGFENCE_ASSERT(EVP_MAC_init(context_, nullptr, 0, nullptr) == 1);
  return out;
}

Digest hmac_sha256(ByteView key, ByteView message) {
  // One for each thread: to make a context, OpenSSL looks its digest up by name and allocates a dozen times.
  static thread_local HmacSha256 context{ByteView()};
  context.set_key(key);
  context.update(message);
  const Digest out = context.final();
  context.set_key(ByteView());  // It keeps nothing of the key.
  return out;
}

Digest pbkdf2_hmac_sha256(ByteView password, ByteView salt, uint32_t iterations) {
  constexpr auto int_max = static_cast<uint32_t>(std::numeric_limits<int>::max());
  RINGFENCE_ASSERT(iterations >= 1 && iterations <= int_max);
  RINGFENCE_ASSERT(password.size() <= int_max && salt.size() <= int_max);
  Digest out;
  RINGFENCE_ASSERT(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(raw(password)),
                                     static_cast<int>(password.size()), raw(salt),
                                     static_cast<int>(salt.size()), static_cast<int>(iterations),
                                     sha256_algorithm(), static_cast<int>(out.size()), out.data()) == 1);
  return out;
}

Result<std::string> md5_hex(ByteView bytes) {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  std::array<uint8_t, 16> digest;
  if (algorithm == nullptr ||
      EVP_Digest(raw(bytes), bytes.size(), digest.data(), nullptr, algorithm, nullptr) != 1)
    return fail(Fault::unavailable, "OpenSSL does not offer MD5 on this machine");
  std::string out;
  out.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    out.push_back("0123456789abcdef"[byte >> 4]);
    out.push_back("0123456789abcdef"[byte & 15]);
  }
  return out;
}

}  // namespace ringfence::crypto
