#include "fold.h"

#include <cstdint>

namespace ringfence::policy {
namespace {

bool is_in(uint32_t c, uint32_t first, uint32_t last) { return c >= first && c <= last; }

// The pairs of which the capital letter is the even one, or the odd one.
bool is_even_capital(uint32_t c) {
  return (is_in(c, 0x0100, 0x0137) && c != 0x0130 && c != 0x0131) || is_in(c, 0x014a, 0x0177) ||
         is_in(c, 0x0218, 0x021b) || is_in(c, 0x0490, 0x0491) || is_in(c, 0x01a0, 0x01a1) ||
         is_in(c, 0x1e02, 0x1e6b) || is_in(c, 0x1e80, 0x1e85) || is_in(c, 0x1ef2, 0x1ef3);
}
bool is_odd_capital(uint32_t c) {
  return is_in(c, 0x0139, 0x0148) || is_in(c, 0x0179, 0x017e) || is_in(c, 0x01af, 0x01b0);
}

// The alphabets of LATIN1 to LATIN10, ISO 8859-5 to 8, KOI8 and the code pages.
uint32_t small(uint32_t c) {
  if (is_in(c, 0x00c0, 0x00de) && c != 0x00d7) return c + 0x20;
  if (c == 0x0130) return 'i';  // As a Turkish locale has it.
  if (c == 0x0178) return 0x00ff;
  if (is_even_capital(c)) return c | 1;
  if (is_odd_capital(c)) return c % 2 == 1 ? c + 1 : c;
  if (c == 0x0386) return 0x03ac;
  if (is_in(c, 0x0388, 0x038a)) return c + 0x25;
  if (c == 0x038c) return 0x03cc;
  if (is_in(c, 0x038e, 0x038f)) return c + 0x3f;
  if (is_in(c, 0x0391, 0x03ab)) return c + 0x20;
  if (is_in(c, 0x0400, 0x040f)) return c + 0x50;
  if (is_in(c, 0x0410, 0x042f)) return c + 0x20;
  return c;
}

void append(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

}  // namespace

std::string fold_beyond_ascii(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t size = lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc0 && lead < 0xe0 ? 2 : 1;
    if (size == 1 || at + size > text.size()) {
      out += text[at++];
      continue;
    }
    uint32_t c = size == 2 ? lead & 0x1f : lead & 0x0f;
    for (size_t i = 1; i < size; ++i) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
    append(out, small(c));
    at += size;
  }
  return out;
}

}  // namespace ringfence::policy
