#include "ringfence/pg/encoding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "ringfence/base/utf8.h"
#include "ringfence/pg/characters.h"
#include "ringfence/pg/server_name.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

std::string converted(std::string_view text, std::string_view from, std::string_view to) {
  std::string room;
  auto out = convert(text, Encoding::named(from), Encoding::named(to), room);
  return out ? std::string(*out) : "?";
}

std::string kept(std::string_view name, std::string_view client, std::string_view server,
                 bool is_sure = true) {
  std::string room;
  return std::string(message_name(name, {Encoding::named(client), Encoding::named(server), is_sure}, room));
}

}  // namespace

TEST_CASE("text is converted as PostgreSQL does it, or not at all") {
  CHECK(converted("é", "UTF8", "LATIN1") == "\xe9");
  CHECK(converted("\xe9", "LATIN1", "UTF8") == "é");
  CHECK(converted("\xcf\xf0", "WIN1251", "UTF8") == "Пр");
  CHECK(converted("Пр", "UTF8", "KOI8R") == "\xf0\xd2");
  CHECK(converted("\x80", "WIN1252", "UTF8") == "€");
  CHECK(converted("€", "UTF8", "LATIN9") == "\xa4");
  CHECK(converted("plain", "UTF8", "LATIN1") == "plain");
  CHECK(converted("plain", "nobody's", "UTF8") == "plain");
  // What has no equivalent, no meaning, or no conversion that is known here.
  CHECK(converted("日", "UTF8", "LATIN1") == "?");
  CHECK(converted("😀", "UTF8", "LATIN1") == "?");
  CHECK(converted("\x81", "WIN1252", "UTF8") == "?");
  CHECK(converted("\xff", "UTF8", "LATIN1") == "?");
  CHECK(converted("é", "UTF8", "EUC_JP") == "?");
  CHECK(converted("\xcf", "WIN1251", "KOI8R") == "?");
  CHECK(converted("é", "UTF8", "nobody's") == "?");
  CHECK(converted("é", "", "") == "?");
  // Bytes that stay what they are.
  CHECK(converted("\xff", "UTF8", "UTF8") == "\xff");
  CHECK(converted("\xff", "UTF8", "SQL_ASCII") == "\xff");
  CHECK(converted("\xff", "SQL_ASCII", "LATIN1") == "\xff");
  CHECK(converted("\xa4\xa2", "EUC_JP", "EUC_JP") == "\xa4\xa2");
}

TEST_CASE("every byte of every single-byte encoding comes back") {
  for (const char* name :
       {"LATIN1",  "LATIN2",  "LATIN3",  "LATIN4",     "LATIN5",     "LATIN6",     "LATIN7",
        "LATIN8",  "LATIN9",  "LATIN10", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8",
        "WIN1250", "WIN1251", "WIN1252", "WIN1253",    "WIN1254",    "WIN1255",    "WIN1256",
        "WIN1257", "WIN1258", "WIN866",  "WIN874",     "KOI8R",      "KOI8U"}) {
    CAPTURE(name);
    int characters = 0;
    for (int byte = 0x80; byte < 0x100; ++byte) {
      const std::string text(1, static_cast<char>(byte));
      const std::string utf8 = converted(text, name, "UTF8");
      if (utf8 == "?") continue;
      ++characters;
      CHECK(converted(utf8, "UTF8", name) == text);
    }
    CHECK(characters >= 83);
  }
}

TEST_CASE("a name of a message is cut at byte 63, whatever stands there") {
  const std::string n62(62, 'n'), n63(63, 'n');
  CHECK(kept("short", "", "") == "short");
  CHECK(kept(n63 + "1", "", "") == n63);
  CHECK(kept(n62 + "é", "UTF8", "UTF8") == n62 + "\xc3");
  CHECK(kept(n62 + "é", "UTF8", "UTF8") == kept(n62 + "ê", "UTF8", "UTF8"));
  CHECK(kept(n62 + "日", "UTF8", "UTF8") != kept(n62 + "é", "UTF8", "UTF8"));
  // Converted first.
  CHECK(kept(n62 + "éé", "UTF8", "LATIN1") == n62 + "\xe9");
  CHECK(kept(n62 + "\xe9", "LATIN1", "UTF8") == n62 + "\xc3");
}

TEST_CASE("a name that cannot be told is no other name's equal") {
  CHECK(is_unknown_name(kept("é", "UTF8", "EUC_JP")));
  CHECK(is_unknown_name(kept("é", "UTF8", "UTF8", false)));
  CHECK_FALSE(is_unknown_name(kept("e", "UTF8", "UTF8", false)));
  CHECK(shown_name(kept("é", "UTF8", "UTF8", false)) == "é");
  CHECK(shown_name(kept("é", "UTF8", "UTF8")) == "é");
}

TEST_CASE("an identifier is cut at a character's edge") {
  const std::string n62(62, 'n');
  const auto cut = [](const std::string& name, std::string_view server) {
    return std::string(cut_identifier(name, Encoding::named(server)));
  };
  CHECK(cut(n62 + "é", "UTF8") == n62);
  CHECK(cut(n62.substr(1) + "é1", "UTF8") == n62.substr(1) + "é");
  CHECK(cut(n62 + "\xe9\xe9", "LATIN1") == n62 + "\xe9");
  CHECK(cut(n62 + "\xc3\xa9", "SQL_ASCII") == n62 + "\xc3");
  CHECK(cut(n62 + "\xa4\xa2", "EUC_JP") == n62);
  CHECK(cut(n62.substr(1) + "\x8f\xa4\xa2", "EUC_JP") == n62.substr(1));
}

TEST_CASE("words of ours are valid in every client encoding") {
  std::mt19937 random(5);
  for (const char* name :
       {"UTF8", "LATIN1", "WIN1252", "WIN1251", "KOI8R", "SQL_ASCII", "EUC_JP", "SJIS", "no such"}) {
    const pg::Encoding client = pg::Encoding::named(name);
    CAPTURE(name);
    for (int i = 0; i < 2'000; ++i) {
      std::string text;
      for (size_t n = random() % 20; n > 0; --n) {
        if (random() % 3 == 0) pg::append_utf8(text, static_cast<uint32_t>(1 + random() % 0xD000));
        else text += static_cast<char>(random() % 256);
      }
      const std::string told = pg::text_for(text, client);
      CHECK(told.find('\0') == told.npos);
      std::string room;
      if (client.is_utf8() || std::string(name) == "SQL_ASCII") CHECK(is_valid_text(told));
      else if (client.is_single_byte())
        CHECK(pg::convert(told, client, pg::Encoding::named("UTF8"), room).has_value());
      else
        CHECK(std::all_of(told.begin(), told.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; }));
    }
  }
  CHECK(pg::text_for("plain", pg::Encoding()) == "plain");
  CHECK(pg::text_for("\xc3\xa4\xe2\x82\xac\xe6\x97\xa5", pg::Encoding::named("LATIN1")) == "\xe4??");
  CHECK(pg::text_for("\xe2\x82\xac", pg::Encoding::named("WIN1252")) == "\x80");
  CHECK(pg::text_for("1\xef", pg::Encoding::named("UTF8")) == "1\xef\xbf\xbd");
}

TEST_CASE("an encoding is known by the names that clients write") {
  for (const char* name : {"UTF8", "utf-8", "Unicode", "utf_8"}) CHECK(pg::Encoding::asked(name).is_utf8());
  for (const char* name : {"latin1", "LATIN-1", "ISO-8859-1", "iso88591"})
    CHECK(pg::Encoding::asked(name) == pg::Encoding::named("LATIN1"));
  CHECK(pg::Encoding::asked("windows-1252") == pg::Encoding::named("WIN1252"));
  CHECK(pg::Encoding::asked("koi8-r") == pg::Encoding::named("KOI8R"));
  CHECK_FALSE(pg::Encoding::asked("no such").is_known());
}
