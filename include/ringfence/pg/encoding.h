// Text from one of PostgreSQL's encodings into another, as far as that is known here: what is in UTF8 or in
// one of the single-byte encodings, by PostgreSQL's own tables. Nothing is guessed: what is not known is not
// converted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"

namespace ringfence::pg {

class Encoding {
 public:
  // One that PostgreSQL may have and we do not know.
  constexpr Encoding() = default;
  // As PostgreSQL reports it in client_encoding and server_encoding: "UTF8", "WIN1251".
  static Encoding named(std::string_view name);
  // The same as a client may write it ("utf-8", "latin1", "ISO-8859-1"). What is no such name gives the
  // unknown one.
  static Encoding asked(std::string_view name);

  bool is_known() const { return id_ != unknown; }
  bool is_utf8() const { return id_ == utf8; }
  // Each byte is a character; SQL_ASCII too.
  bool is_single_byte() const { return id_ == sql_ascii || id_ >= first_table; }
  // How many bytes the character has that begins with this byte; of known encodings only.
  size_t character_bytes(uint8_t first) const;
  bool operator==(const Encoding&) const = default;

 private:
  friend std::string text_for(ByteView text, Encoding client);
  friend std::optional<ByteView> convert(ByteView text, Encoding from, Encoding to, std::string& room);
  // Of the multi-byte ones: each but UTF8 is only told from the others, and its characters' lengths are
  // known.
  enum Id : uint8_t { unknown, sql_ascii, utf8, euc_jp, euc_jis_2004, euc_kr, euc_cn, euc_tw, first_table };
  constexpr explicit Encoding(uint8_t id) : id_(id) {}
  uint8_t id_ = unknown;
};

// The text as a server with the encoding `to` has it when it was sent in `from`. It stands in `text` itself
// or in `room`. Nothing: the conversion is not known, or the text has no meaning there, so that the server
// refuses it.
std::optional<ByteView> convert(ByteView text, Encoding from, Encoding to, std::string& room);

// Words of ours, in UTF-8 but for what they quote, as a client of that encoding takes them: always valid
// there, and without a NUL. What is no valid UTF-8 becomes U+FFFD; what the encoding does not have, or has
// and we know no table, `?`.
std::string text_for(ByteView text, Encoding client);

}  // namespace ringfence::pg
