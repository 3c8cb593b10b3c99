// Byte strings, each once, numbered in the order in which they came.
#pragma once

#include <bit>
#include <vector>

#include "ringfence/base/bytes.h"

namespace ringfence::audit {

class ByteDictionary {
 public:
  struct Entry {
    ByteView bytes;
    uint64_t hash = 0;
    uint32_t uses = 0;
  };

  void clear() {
    for (uint32_t& slot : slots_) slot = 0;
    entries_.clear();
  }
  // The number of `bytes`, from 0. Of those that are new `keep` gives the view that stays: as long as the
  // dictionary is used. Equal bytes have equal hashes.
  template <typename Keep>
  uint32_t add(ByteView bytes, uint64_t hash, Keep keep) {
    if (slots_.size() < 2 * (entries_.size() + 1)) grow();
    const size_t mask = slots_.size() - 1;
    for (size_t at = mix(hash) & mask;; at = (at + 1) & mask) {
      if (slots_[at] == 0) {
        entries_.push_back({keep(bytes), hash, 1});
        slots_[at] = static_cast<uint32_t>(entries_.size());
        return slots_[at] - 1;
      }
      Entry& entry = entries_[slots_[at] - 1];
      if (entry.hash != hash || entry.bytes != bytes) continue;
      ++entry.uses;
      return slots_[at] - 1;
    }
  }
  size_t size() const { return entries_.size(); }
  const Entry& operator[](size_t number) const { return entries_[number]; }

 private:
  static uint64_t mix(uint64_t hash) {
    hash *= 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
  }
  void grow() {
    slots_.assign(std::max<size_t>(64, slots_.size() * 2), 0);
    for (size_t i = 0; i < entries_.size(); ++i) {
      size_t at = mix(entries_[i].hash) & (slots_.size() - 1);
      while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = static_cast<uint32_t>(i + 1);
    }
  }

  std::vector<uint32_t> slots_;  // A power of two; an entry's number and one, 0: free.
  std::vector<Entry> entries_;
};

// Bytes that stay where they are until all are forgotten; the room is kept.
class ByteArena {
 public:
  ByteView keep(ByteView bytes) {
    while (at_ < chunks_.size() && chunks_[at_].capacity() - chunks_[at_].size() < bytes.size()) ++at_;
    if (at_ == chunks_.size()) chunks_.emplace_back().reserve(std::max<size_t>(chunk_bytes, bytes.size()));
    std::string& chunk = chunks_[at_];
    const size_t begin = chunk.size();
    chunk.append(bytes);
    return ByteView(chunk).substr(begin);
  }
  void clear() {
    for (std::string& chunk : chunks_) chunk.clear();
    at_ = 0;
  }

 private:
  static constexpr size_t chunk_bytes = 64 * 1024;
  std::vector<std::string> chunks_;
  size_t at_ = 0;
};

}  // namespace ringfence::audit
