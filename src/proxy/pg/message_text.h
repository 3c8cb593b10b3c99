// The text in a Query's or Parse's body, which may be only its beginning.
#pragma once

#include <cstdint>

#include "ringfence/base/bytes.h"

namespace ringfence::proxy {

// Up to its NUL, or all of a beginning that does not hold it.
inline ByteView text_of(ByteView body) { return body.substr(0, body.find('\0')); }

// How long it is in all; `body_length` is the whole body's.
inline uint64_t text_length(ByteView body, uint32_t body_length) {
  size_t end = body.find('\0');
  if (end != ByteView::npos) return end;
  return body_length > 0 ? body_length - 1 : 0;
}

}  // namespace ringfence::proxy
