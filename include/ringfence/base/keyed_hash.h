// A hash for tables whose keys a peer chooses: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast
// short-input PRF", 2012, with one round for each word and three at the end, as Rust's and CPython's tables
// have it).
//
// What always holds: who does not know the key cannot choose keys that meet in one place. A secret that is
// mixed into the result of another hash would not do: what collides there collides all the same.
#pragma once

#include <cstdint>

#include "ringfence/base/bytes.h"

namespace ringfence {

// Random, and a secret: of the process or of a shard, never written anywhere.
struct HashKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

uint64_t keyed_hash(const HashKey& key, ByteView bytes);

}  // namespace ringfence
