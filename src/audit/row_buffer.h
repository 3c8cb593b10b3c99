// Bytes that rows are built in: room at the end is written directly, without being zeroed first, and stays
// for the next batch.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "ringfence/base/bytes.h"

namespace ringfence::audit {

class RowBuffer {
 public:
  size_t size() const { return size_; }
  ByteView view() const { return ByteView(bytes_.get(), size_); }

  char* bytes() { return bytes_.get(); }

  void clear() { size_ = 0; }
  // Back to what it held when it had this size.
  void shrink(size_t size) { size_ = size; }
  // Room behind the last byte, `bytes` at least. What was written of it is added by end_at().
  char* room(size_t bytes) {
    if (capacity_ - size_ < bytes) grow(size_ + bytes);
    return bytes_.get() + size_;
  }
  void end_at(const char* end) { size_ = static_cast<size_t>(end - bytes_.get()); }

 private:
  void grow(size_t least) {
    size_t capacity = std::max(least, capacity_ * 2);
    auto bytes = std::unique_ptr<char[]>(new char[capacity]);
    if (size_ != 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace ringfence::audit
