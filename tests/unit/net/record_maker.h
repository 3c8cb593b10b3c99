// TLS 1.3 records from keys, by libcrypto alone (RFC 8446, sections 5.2 and 5.3).
#pragma once

#include <openssl/evp.h>

#include <string>

#include "ringfence/net/tls_engine.h"

namespace tls_test {

class RecordMaker {
 public:
  explicit RecordMaker(const ringfence::net::TlsSendingKeys& keys)
      : cipher_(keys.suite == 0x1301   ? EVP_aes_128_gcm()
                : keys.suite == 0x1302 ? EVP_aes_256_gcm()
                                       : EVP_chacha20_poly1305()),
        key_(reinterpret_cast<const char*>(keys.key.data()), keys.key_bytes),
        iv_(reinterpret_cast<const char*>(keys.iv.data()), keys.iv.size()),
        sequence_(keys.sequence) {}

  std::string make(char type, const std::string& content) {
    std::string plain = content + type;
    size_t size = plain.size() + 16;
    std::string out = {23, 3, 3, static_cast<char>(size >> 8), static_cast<char>(size)};
    std::string nonce = iv_;
    for (unsigned i = 0; i < 8; ++i)
      nonce[11 - i] = static_cast<char>(nonce[11 - i] ^ static_cast<char>(sequence_ >> (8 * i)));
    ++sequence_;
    std::string sealed(size, '\0');
    int written = 0;
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(context, cipher_, nullptr, bytes(key_), bytes(nonce));
    EVP_EncryptUpdate(context, nullptr, &written, bytes(out), 5);
    EVP_EncryptUpdate(context, bytes(sealed), &written, bytes(plain), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(context, bytes(sealed) + written, &written);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, bytes(sealed) + plain.size());
    EVP_CIPHER_CTX_free(context);
    return out + sealed;
  }

 private:
  static unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
  const EVP_CIPHER* cipher_;
  std::string key_;
  std::string iv_;
  uint64_t sequence_;
};

}  // namespace tls_test
