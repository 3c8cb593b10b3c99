// Digests: SHA-256, HMAC and PBKDF2 over it, and MD5 where PostgreSQL's md5 authentication needs it.
//
// The algorithms are fetched from OpenSSL once for the process; a fetch per call costs more than hashing a
// short message. One-shot functions are safe from every thread, a context belongs to one thread at a time.
// SHA-256 allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

struct evp_mac_ctx_st;

namespace ringfence::crypto {

using Digest = std::array<uint8_t, 32>;

// The same bytes as a view; it lives as long as the array.
template <size_t size>
ByteView view_of(const std::array<uint8_t, size>& bytes) {
  return ByteView(reinterpret_cast<const char*>(bytes.data()), size);
}

// Incremental SHA-256 (FIPS 180-4): a plain value. After finish() the same object begins the next message.
class Sha256 {
 public:
  Sha256() { reset(); }

  // Forgets what was given since the last finish().
  void reset();
  void update(ByteView bytes);
  Digest finish();

 private:
  alignas(8) unsigned char state_[112];  // OpenSSL's SHA256_CTX.
};

Digest sha256(ByteView bytes);

// Incremental HMAC-SHA-256 (RFC 2104) under one key. After finish() the next message begins under the same
// key.
class HmacSha256 {
 public:
  explicit HmacSha256(ByteView key);
  ~HmacSha256();
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;

  // Another key: a message begins under it.
  void set_key(ByteView key);
  void update(ByteView bytes);
  Digest finish();
  // The same of the last message under this key: set_key() is next.
  Digest final();

 private:
  evp_mac_ctx_st* context_;
};

Digest hmac_sha256(ByteView key, ByteView message);

// PBKDF2 (RFC 8018) with HMAC-SHA-256 and 32 bytes of output. `iterations` is at least 1. Slow by design:
// about 0.4 µs an iteration, so it never runs on a shard's thread.
Digest pbkdf2_hmac_sha256(ByteView password, ByteView salt, uint32_t iterations);

// MD5 as 32 lower-case hexadecimal digits. Fails where the machine's OpenSSL forbids MD5 (FIPS mode).
Result<std::string> md5_hex(ByteView bytes);

}  // namespace ringfence::crypto
