// Byte views and cursors.
//
// A ByteView is a view of bytes, not of text: it may hold NULs and invalid UTF-8. It owns nothing; whoever
// makes one says how long the bytes live.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ringfence {

using ByteView = std::string_view;

namespace detail {
template <typename T>
T load_be(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  if constexpr (sizeof(T) == 1) return value;
  else if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  else if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  else return static_cast<T>(__builtin_bswap64(value));
}
template <typename T>
void store_be(char* p, T value) {
  if constexpr (sizeof(T) == 2) value = static_cast<T>(__builtin_bswap16(value));
  else if constexpr (sizeof(T) == 4) value = static_cast<T>(__builtin_bswap32(value));
  else if constexpr (sizeof(T) == 8) value = static_cast<T>(__builtin_bswap64(value));
  std::memcpy(p, &value, sizeof value);
}
}  // namespace detail

// Reads big-endian values from a view. Sticky: after one short read every read gives zero or an empty view
// and ok() is false, so a parser checks once, at its end.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // True when all was read and nothing was short.
  bool at_end() const { return ok_ && rest_.empty(); }
  ByteView rest() const { return rest_; }
  size_t remaining() const { return rest_.size(); }

  uint8_t u8() { return fixed<uint8_t>(); }
  uint16_t u16() { return fixed<uint16_t>(); }
  uint32_t u32() { return fixed<uint32_t>(); }
  uint64_t u64() { return fixed<uint64_t>(); }
  int16_t i16() { return static_cast<int16_t>(u16()); }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  int64_t i64() { return static_cast<int64_t>(u64()); }

  // The next `size` bytes.
  ByteView bytes(size_t size) {
    if (size > rest_.size()) return failed();
    ByteView out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  // The bytes up to a terminating NUL, which is consumed and not part of the view.
  ByteView cstr() {
    size_t end = rest_.find('\0');
    if (end == ByteView::npos) return failed();
    ByteView out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return out;
  }

 private:
  template <typename T>
  T fixed() {
    if (rest_.size() < sizeof(T)) {
      failed();
      return 0;
    }
    T value = detail::load_be<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  ByteView failed() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  ByteView rest_;
  bool ok_ = true;
};

// Appends big-endian values to a string. For set-up paths: it allocates as the string does.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& u8(uint8_t v) { return fixed(v); }
  Writer& u16(uint16_t v) { return fixed(v); }
  Writer& u32(uint32_t v) { return fixed(v); }
  Writer& u64(uint64_t v) { return fixed(v); }
  Writer& i16(int16_t v) { return fixed(static_cast<uint16_t>(v)); }
  Writer& i32(int32_t v) { return fixed(static_cast<uint32_t>(v)); }
  Writer& bytes(ByteView v) {
    out_.append(v);
    return *this;
  }
  // The bytes and a NUL. The caller has made sure that `v` holds no NUL.
  Writer& cstr(ByteView v) {
    out_.append(v);
    out_.push_back('\0');
    return *this;
  }

 private:
  template <typename T>
  Writer& fixed(T v) {
    char raw[sizeof(T)];
    detail::store_be(raw, v);
    out_.append(raw, sizeof raw);
    return *this;
  }
  std::string& out_;
};

}  // namespace ringfence
