// Argon2id (RFC 9106, version 0x13): how passwords are kept that somebody may come to steal.
//
// Slow and large by design: it belongs on a worker thread, and whoever starts it bounds how many run at once.
// The memory comes from the kernel for each call and goes back with its end; it never lands in a core dump.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::crypto {

// What one hash costs. The default is the second recommended option of RFC 9106, section 4 (64 MiB, 3
// passes), with one lane in place of four: all lanes are computed on the one thread of the caller, so that
// more of them would make nothing faster here, but let an attacker compute one password on several cores.
struct Argon2Cost {
  uint32_t memory_kib = 64 * 1024;
  uint32_t iterations = 3;
  uint32_t lanes = 1;

  bool operator==(const Argon2Cost&) const = default;
};

// What is taken from a stored text: one that asks for more would be a way to exhaust the machine.
inline constexpr Argon2Cost argon2_cost_max{256 * 1024, 16, 16};
inline constexpr size_t argon2_salt_bytes = 16;

// Within 8 KiB for each lane (RFC 9106, section 3.1), one pass, one lane, and argon2_cost_max.
bool is_allowed(const Argon2Cost& cost);

// What is stored in place of a password.
struct Argon2Hash {
  Argon2Cost cost;
  std::array<uint8_t, argon2_salt_bytes> salt{};
  Digest tag{};
};

// The function alone: 32 bytes of tag. The cost is allowed; the salt has 8 to 64 bytes. Fault::limit: the
// machine has no such memory.
Result<Digest> argon2id(ByteView password, ByteView salt, const Argon2Cost& cost);

// With a random salt. Errors: no memory, no randomness.
Result<Argon2Hash> make_argon2_hash(ByteView password, const Argon2Cost& cost = {});
// Whether it is the password; the tags are compared in constant time. An error tells nothing of the password:
// the machine has no such memory.
Result<bool> verify_argon2_hash(ByteView password, const Argon2Hash& hash);

// The text form of the PHC string format: $argon2id$v=19$m=65536,t=3,p=1$<salt>$<tag>, both in base64 without
// padding.
std::string format_argon2_hash(const Argon2Hash& hash);
// Strict: these parameters in this order, without signs and leading zeros, an allowed cost, a salt of 16 and
// a tag of 32 bytes. What it takes is what format_argon2_hash() gives.
Result<Argon2Hash> parse_argon2_hash(std::string_view text);

// Made with another cost than new hashes are: to be made anew when the password is at hand.
inline bool needs_rehash(const Argon2Hash& hash, const Argon2Cost& cost) { return hash.cost != cost; }

}  // namespace ringfence::crypto
