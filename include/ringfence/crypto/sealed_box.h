// Texts sealed with AES-256-GCM (NIST SP 800-38D) under one long-lived key.
//
// Each box has a key of its own: HMAC-SHA-256(key, "ringfence box 1" and 16 random bytes), the derivation in
// counter mode of NIST SP 800-108 with one block. Together with the random nonce of 96 bits a pair of key and
// nonce comes from 224 random bits: among 2^64 boxes the same pair stands twice with a probability below
// 2^-96. So one key may seal as many texts as a trail will ever hold.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::crypto {

using BoxKey = std::array<uint8_t, 32>;

inline constexpr size_t box_salt_bytes = 16;
inline constexpr size_t box_nonce_bytes = 12;
inline constexpr size_t box_tag_bytes = 16;
// How much longer a box is than its text.
inline constexpr size_t box_overhead = box_salt_bytes + box_nonce_bytes + box_tag_bytes;

// Salt, nonce, ciphertext, tag. `context` is authenticated and not kept: who opens the box has to say the
// same. Fails where the machine has no randomness to give.
Result<std::string> seal_box(const BoxKey& key, ByteView context, ByteView text);
// Fault::denied: another key, another context, or not as it was sealed; Fault::malformed: too short for a
// box.
Result<std::string> open_box(const BoxKey& key, ByteView context, ByteView box);

// The cipher alone, for known answers: `out` has room for the text. Gives the tag.
bool aes_256_gcm_encrypt(const BoxKey& key, ByteView nonce, ByteView context, ByteView text, char* out,
                         std::array<uint8_t, box_tag_bytes>& tag);
// False: the tag does not fit; `out` is zeroed then.
bool aes_256_gcm_decrypt(const BoxKey& key, ByteView nonce, ByteView context, ByteView text, ByteView tag,
                         char* out);

}  // namespace ringfence::crypto
