// What handling secrets needs: random bytes, comparison in constant time, and zeroing that the compiler
// keeps.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::crypto {

// Fills from OpenSSL's generator, which is seeded by the kernel. An error means that the machine has no
// randomness to give; nothing secret may be made then.
Result<void> random_fill(char* out, size_t size);
Result<std::string> random_bytes(size_t size);
template <size_t size>
Result<std::array<uint8_t, size>> random_array() {
  std::array<uint8_t, size> out;
  auto filled = random_fill(reinterpret_cast<char*>(out.data()), size);
  if (!filled) return unexpected(filled.error());
  return out;
}

// Time depends on the lengths only, never on the contents. Different lengths are different at once.
bool constant_time_equal(ByteView a, ByteView b);

// Overwrites with zeros in a way that is not optimised away.
void secure_zero(void* bytes, size_t size);
// Zeroes the string's bytes and empties it.
void secure_zero(std::string& secret);
template <size_t size>
void secure_zero(std::array<uint8_t, size>& secret) {
  secure_zero(secret.data(), size);
}

}  // namespace ringfence::crypto
