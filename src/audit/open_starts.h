// Starts whose outcome has not come yet, by (shard, seq).
//
// A flat hash of fixed records: finding one costs one or two cache lines, and nothing is allocated per start
// while its bytes lie in a journal segment. Copies are made only of those that outlive their batch.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ringfence/base/bytes.h"

namespace ringfence::audit {

struct OpenStart {
  uint64_t key = 0;  // 0: free.
  ByteView fields;   // In a journal segment, or in `copy`.
  std::string copy;
  uint64_t known_since_ns = 0;
  bool is_stored = false;   // A row of audit_open holds it.
  bool is_written = false;  // Its row with outcome "running" is (or is being) written.
};

class OpenStarts {
 public:
  static uint64_t key_of(uint32_t shard, uint64_t seq) { return static_cast<uint64_t>(shard) << 48 | seq; }
  static uint32_t shard_of(uint64_t key) { return static_cast<uint32_t>(key >> 48); }
  static uint64_t seq_of(uint64_t key) { return key & ((uint64_t{1} << 48) - 1); }

  size_t size() const { return size_; }

  // Valid until the next add or remove.
  OpenStart* find(uint64_t key) {
    if (slots_.empty()) return nullptr;
    for (size_t i = slot_of(key);; i = (i + 1) & mask()) {
      if (slots_[i].key == key) return &slots_[i];
      if (slots_[i].key == 0) return nullptr;
    }
  }

  OpenStart& add(uint64_t key) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    size_t i = slot_of(key);
    while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & mask();
    if (slots_[i].key == 0) ++size_;
    slots_[i] = OpenStart{};
    slots_[i].key = key;
    return slots_[i];
  }

  // Closes the gap by moving later entries back, so that no tombstones pile up.
  void remove(uint64_t key) {
    OpenStart* found = find(key);
    if (found == nullptr) return;
    auto hole = static_cast<size_t>(found - slots_.data());
    slots_[hole] = OpenStart{};
    --size_;
    for (size_t i = (hole + 1) & mask(); slots_[i].key != 0; i = (i + 1) & mask()) {
      size_t home = slot_of(slots_[i].key);
      bool stays = hole < i ? home > hole && home <= i : home > hole || home <= i;
      if (stays) continue;
      move(i, hole);
      hole = i;
    }
  }

  template <typename F>
  void for_each(F each) {
    for (OpenStart& start : slots_) {
      if (start.key != 0) each(start);
    }
  }

 private:
  size_t mask() const { return slots_.size() - 1; }
  size_t slot_of(uint64_t key) const {
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    return static_cast<size_t>(h >> 32) & mask();
  }
  void move(size_t from, size_t to) {
    bool is_copy = slots_[from].fields.data() == slots_[from].copy.data();
    slots_[to] = std::move(slots_[from]);
    if (is_copy) slots_[to].fields = slots_[to].copy;  // Short strings move their bytes.
    slots_[from] = OpenStart{};
  }
  void grow() {
    std::vector<OpenStart> old = std::move(slots_);
    slots_ = std::vector<OpenStart>(old.empty() ? 1024 : old.size() * 2);
    for (OpenStart& start : old) {
      if (start.key == 0) continue;
      size_t i = slot_of(start.key);
      while (slots_[i].key != 0) i = (i + 1) & mask();
      bool is_copy = start.fields.data() == start.copy.data();
      slots_[i] = std::move(start);
      if (is_copy) slots_[i].fields = slots_[i].copy;
    }
  }

  std::vector<OpenStart> slots_;
  size_t size_ = 0;
};

}  // namespace ringfence::audit
