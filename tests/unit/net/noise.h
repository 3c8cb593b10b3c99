// Bytes of every value, the same for the same seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace net_test {

inline std::string noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

}  // namespace net_test
