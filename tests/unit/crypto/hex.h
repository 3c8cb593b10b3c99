// Test vectors are printed in hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace ringfence::crypto {

inline std::string unhex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

}  // namespace ringfence::crypto
