#include "shown_text.h"

#include <clocale>
#include <cstdint>
#include <cstdio>
#include <cwchar>

#include "ringfence/base/utf8.h"

namespace ringfence::client {

namespace {

// Of valid text, whose first character has `size` bytes.
char32_t character_at(std::string_view text, size_t& size) {
  const auto first = static_cast<unsigned char>(text.front());
  size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size == 1) return first;
  char32_t out = first & (0xffU >> (size + 1));
  for (size_t i = 1; i < size; ++i) out = out << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return out;
}

bool is_harmful(char32_t c) {
  const bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  // Marks of direction and other characters that nobody sees (Unicode, "Default_Ignorable").
  const bool is_unseen = c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
                         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
  return is_control || is_unseen;
}

// wcwidth() knows the width of characters in a UTF-8 locale alone. The thread has its own again afterwards.
class Utf8Locale {
 public:
  Utf8Locale() : ours_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (ours_ != nullptr) before_ = uselocale(ours_);
  }
  ~Utf8Locale() {
    if (ours_ == nullptr) return;
    uselocale(before_);
    freelocale(ours_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t ours_;
  locale_t before_ = nullptr;
};

size_t columns_of(char32_t c) {
  if (c < 0x7f) return 1;
  const int columns = wcwidth(static_cast<wchar_t>(c));
  return columns < 0 ? 1 : static_cast<size_t>(columns);
}

}  // namespace

std::string shown_text(std::string_view text, bool keeps_lines) {
  const std::string valid = make_valid_text(text);
  std::string out;
  for (std::string_view rest = valid; !rest.empty();) {
    size_t size = 0;
    const char32_t c = character_at(rest, size);
    if (is_harmful(c) && !(keeps_lines && c == '\n')) {
      char escaped[16];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  return out;
}

size_t width_of(std::string_view text) {
  const Utf8Locale locale;
  size_t out = 0;
  while (!text.empty()) {
    size_t size = 0;
    out += columns_of(character_at(text, size));
    text.remove_prefix(size);
  }
  return out;
}

std::string cut_to(std::string_view text, size_t columns_max) {
  if (width_of(text) <= columns_max) return std::string(text);
  const Utf8Locale locale;
  size_t columns = 0;
  size_t end = 0;
  while (end < text.size()) {
    size_t size = 0;
    columns += columns_of(character_at(text.substr(end), size));
    if (columns + 1 > columns_max) break;
    end += size;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace ringfence::client
