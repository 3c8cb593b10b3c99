// Hexadecimal digits, in small letters.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"

namespace ringfence {

// The value of a digit; -1: it is none.
inline int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

std::string hex_of(ByteView bytes);
// Empty when they are no such digits.
std::string bytes_of_hex(std::string_view digits);

// Into a place of its own, as a key has. False: they are not the digits of so many bytes.
template <size_t size>
bool read_hex(std::string_view digits, std::array<uint8_t, size>& out) {
  if (digits.size() != 2 * size) return false;
  for (size_t i = 0; i < size; ++i) {
    const int high = hex_value(digits[2 * i]);
    const int low = hex_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace ringfence
