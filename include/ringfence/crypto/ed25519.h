// Ed25519 signatures (RFC 8032) with raw keys: 32 bytes private (the seed), 32 public, 64 of signature.
#pragma once

#include <array>
#include <cstdint>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::crypto {

using Ed25519PrivateKey = std::array<uint8_t, 32>;
using Ed25519PublicKey = std::array<uint8_t, 32>;
using Ed25519Signature = std::array<uint8_t, 64>;

struct Ed25519KeyPair {
  Ed25519PrivateKey private_key;
  Ed25519PublicKey public_key;
};

Result<Ed25519KeyPair> ed25519_generate();
Result<Ed25519PublicKey> ed25519_public_key(const Ed25519PrivateKey& private_key);
Result<Ed25519Signature> ed25519_sign(const Ed25519PrivateKey& private_key, ByteView message);
// False for any signature or public key that is not valid; that is no error.
bool ed25519_verify(const Ed25519PublicKey& public_key, ByteView message, const Ed25519Signature& signature);

}  // namespace ringfence::crypto
