// Numbers as the store and the state directory's files have them.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"

namespace ringfence::audit {

// What timestamptz counts its microseconds from, 2000-01-01, in Unix time (PostgreSQL: datatype/timestamp.h).
inline constexpr int64_t pg_epoch_us = 946'684'800'000'000;

// A parameter of a statement, or a part of a sentence.
inline std::string number(uint64_t value) { return std::to_string(value); }

// A column in binary form; 0 where it has another size, NULL too.
template <typename T>
T be(ByteView bytes) {
  return bytes.size() == sizeof(T) ? detail::load_be<T>(bytes.data()) : T{};
}

}  // namespace ringfence::audit
