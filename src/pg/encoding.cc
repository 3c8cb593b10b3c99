#include "ringfence/pg/encoding.h"

#include <algorithm>
#include <array>

#include "ringfence/base/utf8.h"
#include "ringfence/pg/characters.h"

namespace ringfence::pg {

namespace {

struct Table {
  std::string_view name;
  std::array<char16_t, 128> characters;  // Of the bytes from 128 on.
};
constexpr Table tables[] = {
#include "encodings.inc"
};

void to_utf8(ByteView text, const Table& table, std::string& out, bool& is_valid) {
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const char16_t code = byte < 0x80 ? byte : table.characters[byte - 0x80];
    is_valid = is_valid && (code != 0 || byte == 0);
    append_utf8(out, code);
  }
}

// `text` is valid.
void from_utf8(ByteView text, const Table& table, std::string& out, bool& is_valid) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t code = length == 1 ? first : first & (0x7Fu >> length);
    for (size_t k = 1; k < length; ++k) code = code << 6 | (static_cast<uint8_t>(text[i + k]) & 0x3F);
    i += length;
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
      continue;
    }
    const auto found =
        std::find(table.characters.begin(), table.characters.end(), static_cast<char16_t>(code));
    if (code > 0xFFFF || found == table.characters.end()) {
      is_valid = false;
      return;
    }
    out.push_back(static_cast<char>(0x80 + (found - table.characters.begin())));
  }
}

}  // namespace

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

Encoding Encoding::named(std::string_view name) {
  constexpr std::pair<std::string_view, Id> others[] = {
      {"SQL_ASCII", sql_ascii}, {"UTF8", utf8},     {"EUC_JP", euc_jp}, {"EUC_JIS_2004", euc_jis_2004},
      {"EUC_KR", euc_kr},       {"EUC_CN", euc_cn}, {"EUC_TW", euc_tw}};
  for (const auto& [known, id] : others) {
    if (name == known) return Encoding(id);
  }
  for (size_t i = 0; i < std::size(tables); ++i) {
    if (name == tables[i].name) return Encoding(static_cast<uint8_t>(first_table + i));
  }
  return {};
}

// As PostgreSQL's mblen functions have it.
size_t Encoding::character_bytes(uint8_t first) const {
  if (is_single_byte() || first < 0x80) return 1;
  switch (id_) {
    case utf8: return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 1;
    case euc_jp:
    case euc_jis_2004:
    case euc_kr: return first == 0x8F ? 3 : 2;
    case euc_cn: return first == 0x8E || first == 0x8F ? 3 : 2;
    case euc_tw: return first == 0x8E ? 4 : first == 0x8F ? 3 : 2;
    default: return 1;
  }
}

std::optional<ByteView> convert(ByteView text, Encoding from, Encoding to, std::string& room) {
  if (!from.is_known() || !to.is_known()) return is_ascii(text) ? std::optional(text) : std::nullopt;
  // A side in SQL_ASCII means bytes as they are.
  if (from == to || from.id_ == Encoding::sql_ascii || to.id_ == Encoding::sql_ascii || is_ascii(text))
    return text;
  room.clear();
  bool is_valid = true;
  if (to.is_utf8() && from.is_single_byte()) {
    to_utf8(text, tables[from.id_ - Encoding::first_table], room, is_valid);
  } else if (from.is_utf8() && to.is_single_byte()) {
    if (!is_valid_text(text)) return std::nullopt;
    from_utf8(text, tables[to.id_ - Encoding::first_table], room, is_valid);
  } else {
    return std::nullopt;
  }
  return is_valid ? std::optional<ByteView>(room) : std::nullopt;
}

Encoding Encoding::asked(std::string_view name) {
  std::string folded;
  for (char c : name) {
    if (c >= 'a' && c <= 'z') folded.push_back(static_cast<char>(c - 32));
    else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) folded.push_back(c);
  }
  if (folded == "UNICODE") return Encoding(utf8);
  if (folded == "SQLASCII") return Encoding(sql_ascii);
  constexpr std::string_view latins[] = {"LATIN1", "LATIN2", "LATIN3", "LATIN4"};
  for (size_t i = 0; i < std::size(latins); ++i)
    if (folded == "ISO8859" + std::to_string(i + 1)) return named(latins[i]);
  if (folded.starts_with("WINDOWS")) folded.erase(3, 4);
  return named(folded);
}

std::string text_for(ByteView text, Encoding client) {
  if (is_ascii(text) && text.find('\0') == text.npos) return std::string(text);
  std::string valid = is_valid_text(text) ? std::string(text) : make_valid_text(text);
  // SQL_ASCII takes bytes as they are.
  if (client.is_utf8() || client.id_ == Encoding::sql_ascii) return valid;
  const Encoding from = Encoding::named("UTF8");
  std::string out, room;
  for (size_t at = 0; at < valid.size();) {
    const size_t bytes = from.character_bytes(static_cast<uint8_t>(valid[at]));
    const ByteView character = ByteView(valid).substr(at, bytes);
    const std::optional<ByteView> converted = bytes == 1 ? std::optional(character)
                                              : client.is_single_byte()
                                                  ? convert(character, from, client, room)
                                                  : std::nullopt;
    out.append(converted.value_or("?"));
    at += bytes;
  }
  return out;
}

}  // namespace ringfence::pg
