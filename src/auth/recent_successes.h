// Which passwords were right a moment ago, for a bounded time and in a bounded number.
//
// It holds no password: an entry is an HMAC under a random key of the process, which is written nowhere. What
// always holds: an entry was added after its password had been checked in full, not longer ago than
// `keep_ns`.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "ringfence/base/bytes.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::auth {

// From any thread.
class RecentSuccesses {
 public:
  // `entries_max` 0: nothing is remembered.
  RecentSuccesses(const crypto::Digest& key, size_t entries_max, uint64_t keep_ns);
  ~RecentSuccesses();
  RecentSuccesses(const RecentSuccesses&) = delete;
  RecentSuccesses& operator=(const RecentSuccesses&) = delete;

  // HMAC-SHA-256 over the three: a stored hash that changes makes another proof, and the old one is never
  // asked for again.
  crypto::Digest proof_of(const Uuid& user_id, ByteView stored, ByteView password) const;
  // Looked up by its first 8 bytes; the whole is compared in constant time.
  bool has(const crypto::Digest& proof, uint64_t now_ns) const;
  // An entry that is there already lasts anew. The oldest one goes when there is no room.
  void add(const crypto::Digest& proof, uint64_t now_ns);
  size_t size() const;

 private:
  struct Entry {
    crypto::Digest proof;
    uint64_t ends_ns;
  };
  struct Ending {
    uint64_t place;
    uint64_t ends_ns;
  };
  void drop_first();

  crypto::Digest key_;
  const size_t entries_max_;
  const uint64_t keep_ns_;
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> entries_;
  // One for each add(), in their order, which is that of their ends.
  std::deque<Ending> endings_;
};

}  // namespace ringfence::auth
