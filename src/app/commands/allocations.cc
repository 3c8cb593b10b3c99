// Counts each thread's allocations: malloc with its kin and operator new are the program's own, and
// mimalloc's beneath. What frees is mimalloc's as it is. Not in builds that leave the allocator to a
// sanitizer.
#include <mimalloc.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "ringfence/base/thread_counts.h"

namespace {
void count() { ++ringfence::thread_counts.allocations; }
}  // namespace

extern "C" {

void* malloc(size_t size) noexcept {
  count();
  return mi_malloc(size);
}
void* calloc(size_t number, size_t size) noexcept {
  count();
  return mi_calloc(number, size);
}
void* realloc(void* block, size_t size) noexcept {
  count();
  return mi_realloc(block, size);
}
void* aligned_alloc(size_t alignment, size_t size) noexcept {
  count();
  return mi_aligned_alloc(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) noexcept {
  count();
  return mi_posix_memalign(block, alignment, size);
}

}  // extern "C"

void* operator new(size_t size) {
  count();
  return mi_new(size);
}
void* operator new[](size_t size) {
  count();
  return mi_new(size);
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  count();
  return mi_new_nothrow(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  count();
  return mi_new_nothrow(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  count();
  return mi_new_aligned(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  count();
  return mi_new_aligned(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  count();
  return mi_new_aligned_nothrow(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  count();
  return mi_new_aligned_nothrow(size, static_cast<size_t>(alignment));
}
