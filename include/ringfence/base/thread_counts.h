// What a thread has done so far that costs more than arithmetic: what a query must not need of it is guarded
// by counts.
//
// Counted by the thread itself, without a lock or an atomic; whoever lets other threads read it publishes a
// copy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringfence {

struct ThreadCounts {
  uint64_t allocations =
      0;  // Blocks asked of the allocator; counted by the program (app/allocations.cc) alone.
  uint64_t copied_bytes =
      0;  // Of messages on their way, in user space: not what TLS encrypts, not the trail's records.
  uint64_t system_calls = 0;  // Of the data path, beside io_uring_enter.
};

inline constinit thread_local ThreadCounts thread_counts;

inline void count_copy(size_t bytes) { thread_counts.copied_bytes += bytes; }
inline void count_system_call() { ++thread_counts.system_calls; }

}  // namespace ringfence
