// Tokens of 256 random bits as text: base64url without padding (RFC 4648, section 5), 43 characters.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "ringfence/base/base64.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::auth {

inline constexpr size_t token_text_bytes = 43;

inline std::string token_text(const crypto::Digest& bytes) {
  return base64url_encode(crypto::view_of(bytes));
}

// Whether it is the text of some 256 bits. Time depends on the text alone, which its sender knows.
inline bool is_token_text(std::string_view text) {
  if (text.size() != token_text_bytes) return false;
  const auto is_digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (!std::all_of(text.begin(), text.end(), is_digit)) return false;
  // The last digit carries four bits; its two others are zero, so that bytes have one text.
  return std::string_view("AEIMQUYcgkosw048").find(text.back()) != std::string_view::npos;
}

}  // namespace ringfence::auth
