// An array of one dimension in PostgreSQL's binary form, built element by element (PostgreSQL: array_send).
#pragma once

#include <string>

#include "audit/row_buffer.h"

namespace ringfence::audit {

class ArrayColumn {
 public:
  void clear() {
    bytes_.clear();
    count_ = 0;
    has_null_ = false;
    is_there_ = false;
  }
  // The element at `index`; those before it that were not given are null.
  void put(size_t index, ByteView value) { put(index, ByteView(), value); }
  // The same of an element in two parts.
  void put(size_t index, ByteView front, ByteView value) {
    if (count_ < index) pad(index);
    const size_t size = front.size() + value.size();
    char* at = bytes_.room(4 + size);
    detail::store_be(at, static_cast<uint32_t>(size));
    if (!front.empty()) std::memcpy(at + 4, front.data(), front.size());
    if (!value.empty()) std::memcpy(at + 4 + front.size(), value.data(), value.size());
    bytes_.end_at(at + 4 + size);
    ++count_;
    is_there_ = true;
  }
  void put_small(size_t index, uint16_t value) {
    char bytes[2];
    detail::store_be(bytes, value);
    put(index, ByteView(bytes, 2));
  }
  // Appends the field of a COPY row: the array of `count` elements, or null where none was given.
  void append_to(std::string& out, size_t count, uint32_t element_type) {
    if (!is_there_) {
      out.append("\xff\xff\xff\xff", 4);
      return;
    }
    pad(count);
    char header[24];
    detail::store_be(header, static_cast<uint32_t>(20 + bytes_.size()));
    detail::store_be(header + 4, uint32_t{1});  // Dimensions.
    detail::store_be(header + 8, uint32_t{has_null_ ? 1U : 0U});
    detail::store_be(header + 12, element_type);
    detail::store_be(header + 16, static_cast<uint32_t>(count));
    detail::store_be(header + 20, uint32_t{1});  // The first index.
    out.append(header, sizeof header).append(bytes_.view());
  }

 private:
  void pad(size_t count) {
    for (; count_ < count; ++count_) {
      char* at = bytes_.room(4);
      detail::store_be(at, UINT32_MAX);
      bytes_.end_at(at + 4);
      has_null_ = true;
    }
  }

  RowBuffer bytes_;
  size_t count_ = 0;
  bool has_null_ = false;
  bool is_there_ = false;
};

}  // namespace ringfence::audit
