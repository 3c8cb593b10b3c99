#include "ringfence/base/utf8.h"

#include <algorithm>

namespace ringfence {
namespace {

// The length of the valid character at the front, or 0.
size_t character_size(ByteView bytes) {
  auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  auto tail = [&](size_t i) { return i < bytes.size() && (at(i) & 0xc0) == 0x80; };
  uint8_t lead = at(0);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return tail(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (!tail(1) || !tail(2)) return 0;
    if (lead == 0xe0 && at(1) < 0xa0) return 0;
    if (lead == 0xed && at(1) > 0x9f) return 0;
    return 3;
  }
  if (lead < 0xf5) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xf0 && at(1) < 0x90) return 0;
    if (lead == 0xf4 && at(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

// How many bytes at the front are ASCII other than NUL, eight at a time.
size_t ascii_run(ByteView bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    if (word & 0x8080808080808080u) break;
    if ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u) break;
  }
  while (i < bytes.size() && bytes[i] > 0) ++i;
  return i;
}

}  // namespace

bool is_valid_text(ByteView bytes) {
  while (!bytes.empty()) {
    bytes.remove_prefix(ascii_run(bytes));
    if (bytes.empty()) return true;
    size_t size = character_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

bool is_ascii(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

std::string make_valid_text(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  while (!bytes.empty()) {
    size_t run = ascii_run(bytes);
    out.append(bytes.substr(0, run));
    bytes.remove_prefix(run);
    if (bytes.empty()) break;
    size_t size = character_size(bytes);
    if (size == 0) out += "\xef\xbf\xbd";
    else out.append(bytes.substr(0, size));
    bytes.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

ByteView text_prefix(ByteView text, size_t size_max) {
  if (text.size() <= size_max) return text;
  size_t end = size_max;
  // Step back over continuation bytes, at most three: a character has at most four.
  for (int i = 0; i < 3 && end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

}  // namespace ringfence
