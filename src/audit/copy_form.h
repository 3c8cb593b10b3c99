// PostgreSQL's binary COPY format, as far as rows of the trail need it (PostgreSQL: COPY, Binary Format).
#pragma once

#include <cstring>

#include "audit/numbers.h"

namespace ringfence::audit {

inline constexpr ByteView copy_header("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
inline constexpr ByteView copy_trailer("\xff\xff", 2);

// What timestamptz has for this time.
inline uint64_t stored_us(uint64_t unix_us) { return unix_us - static_cast<uint64_t>(pg_epoch_us); }

// A field of a row, behind its length. The caller has room for it. Behind the last byte.
inline char* put_value(char* at, ByteView value) {
  detail::store_be(at, static_cast<uint32_t>(value.size()));
  at += 4;
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  return at + value.size();
}
inline char* put_integer(char* at, uint64_t value) {
  detail::store_be(at, uint32_t{8});
  detail::store_be(at + 4, value);
  return at + 12;
}

}  // namespace ringfence::audit
