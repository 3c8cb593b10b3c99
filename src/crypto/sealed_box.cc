#include "ringfence/crypto/sealed_box.h"

#include <openssl/evp.h>

#include <memory>

#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::crypto {
namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* bytes_of(ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }

// Fetched once for the process.
const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return fetched;
}

BoxKey key_of_box(const BoxKey& key, ByteView salt) {
  std::string message = "ringfence box 1";
  message.append(salt);
  return hmac_sha256(view_of(key), message);
}

}  // namespace

bool aes_256_gcm_encrypt(const BoxKey& key, ByteView nonce, ByteView context, ByteView text, char* out,
                         std::array<uint8_t, box_tag_bytes>& tag) {
  RINGFENCE_ASSERT(nonce.size() == box_nonce_bytes && text.size() < (size_t{1} << 30));
  CipherContext cipher_context(EVP_CIPHER_CTX_new());
  int size = 0;
  auto* at = reinterpret_cast<unsigned char*>(out);
  return cipher_context &&
         EVP_EncryptInit_ex(cipher_context.get(), cipher(), nullptr, key.data(), bytes_of(nonce)) == 1 &&
         EVP_EncryptUpdate(cipher_context.get(), nullptr, &size, bytes_of(context),
                           static_cast<int>(context.size())) == 1 &&
         EVP_EncryptUpdate(cipher_context.get(), at, &size, bytes_of(text), static_cast<int>(text.size())) ==
             1 &&
         EVP_EncryptFinal_ex(cipher_context.get(), at + size, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher_context.get(), EVP_CTRL_AEAD_GET_TAG, box_tag_bytes, tag.data()) == 1;
}

bool aes_256_gcm_decrypt(const BoxKey& key, ByteView nonce, ByteView context, ByteView text, ByteView tag,
                         char* out) {
  RINGFENCE_ASSERT(nonce.size() == box_nonce_bytes && tag.size() == box_tag_bytes &&
                   text.size() < (size_t{1} << 30));
  CipherContext cipher_context(EVP_CIPHER_CTX_new());
  int size = 0;
  auto* at = reinterpret_cast<unsigned char*>(out);
  std::string expected(tag);
  const bool is_open =
      cipher_context &&
      EVP_DecryptInit_ex(cipher_context.get(), cipher(), nullptr, key.data(), bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher_context.get(), nullptr, &size, bytes_of(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(cipher_context.get(), at, &size, bytes_of(text), static_cast<int>(text.size())) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(cipher_context.get(), EVP_CTRL_AEAD_SET_TAG, box_tag_bytes, expected.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher_context.get(), at + size, &size) == 1;
  if (!is_open) secure_zero(out, text.size());
  return is_open;
}

Result<std::string> seal_box(const BoxKey& key, ByteView context, ByteView text) {
  std::string out(text.size() + box_overhead, '\0');
  if (auto filled = random_fill(out.data(), box_salt_bytes + box_nonce_bytes); !filled) {
    return unexpected(std::move(filled).error());
  }
  BoxKey own = key_of_box(key, ByteView(out).substr(0, box_salt_bytes));
  std::array<uint8_t, box_tag_bytes> tag{};
  char* at = out.data() + box_salt_bytes + box_nonce_bytes;
  const ByteView nonce = ByteView(out).substr(box_salt_bytes, box_nonce_bytes);
  const bool is_sealed = aes_256_gcm_encrypt(own, nonce, context, text, at, tag);
  secure_zero(own);
  if (!is_sealed) return fail(Fault::unavailable, "AES-256-GCM is not available in this OpenSSL");
  std::copy(tag.begin(), tag.end(), at + text.size());
  return out;
}

Result<std::string> open_box(const BoxKey& key, ByteView context, ByteView box) {
  if (box.size() < box_overhead) return fail(Fault::malformed, "too short for a sealed text");
  const ByteView salt = box.substr(0, box_salt_bytes);
  const ByteView nonce = box.substr(box_salt_bytes, box_nonce_bytes);
  const ByteView text = box.substr(box_salt_bytes + box_nonce_bytes, box.size() - box_overhead);
  BoxKey own = key_of_box(key, salt);
  std::string out(text.size(), '\0');
  const bool is_open =
      aes_256_gcm_decrypt(own, nonce, context, text, box.substr(box.size() - box_tag_bytes), out.data());
  secure_zero(own);
  if (!is_open) return fail(Fault::denied, "the sealed text is not as it was sealed");
  return out;
}

}  // namespace ringfence::crypto
