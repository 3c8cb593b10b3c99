// How many records a journal could not keep, over all lives of the process: a number in a file mapped into
// memory, so that killing the process does not lose it. A power cut may set it back, and a file that cannot
// be read counts as zero: then the number is a lower bound.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "ringfence/base/result.h"

namespace ringfence::audit {

std::string drop_count_file_name(uint32_t producer);  // "3.dropped"
// What the file says; 0 when it is none.
uint64_t read_drop_count(const std::string& path);

class DropCount {
 public:
  DropCount() = default;
  ~DropCount();
  DropCount(const DropCount&) = delete;
  DropCount& operator=(const DropCount&) = delete;

  // Continues what the file has, or makes it; at least `all_min`, which is known from elsewhere. Before any
  // other thread uses it.
  Result<void> open(const std::string& path, uint64_t all_min);
  // The producer; neither IO nor a system call.
  void add() { count_->fetch_add(1, std::memory_order_relaxed); }
  // Any thread.
  uint64_t all() const { return count_->load(std::memory_order_relaxed); }
  uint64_t of_this_life() const { return all() - at_open_; }

 private:
  std::atomic<uint64_t> unmapped_{0};
  std::atomic<uint64_t>* count_ = &unmapped_;
  void* base_ = nullptr;
  uint64_t at_open_ = 0;
};

}  // namespace ringfence::audit
