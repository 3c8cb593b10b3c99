#include "ringfence/crypto/traffic_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "ringfence/base/result.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::crypto {

bool expand_label(ByteView secret, std::string_view label, uint8_t* out, size_t size) {
  constexpr std::string_view prefix = "tls13 ";
  uint8_t info[40];
  RINGFENCE_ASSERT(size <= secret.size() && label.size() <= sizeof info - 5 - prefix.size());
  if (secret.size() != 32 && secret.size() != 48) return false;
  size_t filled = 0;
  info[filled++] = static_cast<uint8_t>(size >> 8);
  info[filled++] = static_cast<uint8_t>(size);
  info[filled++] = static_cast<uint8_t>(prefix.size() + label.size());
  for (std::string_view part : {prefix, label}) {
    std::memcpy(info + filled, part.data(), part.size());
    filled += part.size();
  }
  info[filled++] = 0;  // No context.
  info[filled++] = 1;  // The first block of HKDF-Expand, and the only one (RFC 5869, section 2.3).
  uint8_t block[EVP_MAX_MD_SIZE];
  unsigned block_bytes = 0;
  const EVP_MD* digest = secret.size() == 32 ? EVP_sha256() : EVP_sha384();
  bool made = HMAC(digest, secret.data(), static_cast<int>(secret.size()), info, filled, block,
                   &block_bytes) != nullptr &&
              block_bytes >= size;
  if (made) std::memcpy(out, block, size);
  secure_zero(block, sizeof block);
  return made;
}

}  // namespace ringfence::crypto
