#include "ringfence/crypto/ed25519.h"

#include <openssl/evp.h>

#include <memory>

#include "raw.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::crypto {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

Key private_key_of(const Ed25519PrivateKey& raw) {
  return Key(EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, raw.data(), raw.size()));
}

}  // namespace

Result<Ed25519PublicKey> ed25519_public_key(const Ed25519PrivateKey& private_key) {
  Ed25519PublicKey out;
  size_t size = out.size();
  Key key = private_key_of(private_key);
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 || size != out.size())
    return fail(Fault::unavailable, "OpenSSL cannot use the Ed25519 key");
  return out;
}

Result<Ed25519KeyPair> ed25519_generate() {
  auto seed = random_array<32>();
  if (!seed) return unexpected(seed.error());
  auto public_key = ed25519_public_key(*seed);
  if (!public_key) return unexpected(public_key.error());
  return Ed25519KeyPair{*seed, *public_key};
}

Result<Ed25519Signature> ed25519_sign(const Ed25519PrivateKey& private_key, ByteView message) {
  Ed25519Signature out;
  size_t size = out.size();
  Key key = private_key_of(private_key);
  Context context(EVP_MD_CTX_new());
  if (!key || !context ||
      EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), out.data(), &size, raw(message), message.size()) != 1 ||
      size != out.size())
    return fail(Fault::unavailable, "OpenSSL cannot sign with the Ed25519 key");
  return out;
}

bool ed25519_verify(const Ed25519PublicKey& public_key, ByteView message, const Ed25519Signature& signature) {
  Key key(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, public_key.data(), public_key.size()));
  Context context(EVP_MD_CTX_new());
  return key && context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key.get(), nullptr) ==
             1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), raw(message), message.size()) ==
             1;
}

}  // namespace ringfence::crypto
