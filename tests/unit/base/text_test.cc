#include <doctest/doctest.h>

#include "ringfence/base/base64.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"

using namespace ringfence;

TEST_CASE("base64 has the vectors of RFC 4648 and refuses what is not canonical") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (auto [plain, coded] : vectors) {
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded).value() == plain);
  }
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zm9vZg==Zg=="})
    CHECK_FALSE(base64_decode(bad).has_value());
}

TEST_CASE("valid text is UTF-8 as PostgreSQL has it") {
  CHECK(is_valid_text("plain"));
  CHECK(is_valid_text("gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80 more than eight bytes"));
  const ByteView bad[] = {ByteView("a\0b", 3),          "\xc0\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80",           "\xff",     "\xe2\x82",
                          "long enough for a word \x80"};
  for (ByteView b : bad) {
    CHECK_FALSE(is_valid_text(b));
    CHECK(is_valid_text(make_valid_text(b)));
  }
  CHECK(make_valid_text("a\xff") == "a\xef\xbf\xbd");
}

TEST_CASE("a prefix never cuts a character in two") {
  CHECK(text_prefix("abc", 2) == "ab");
  CHECK(text_prefix("a\xe2\x82\xac", 3) == "a");
  CHECK(text_prefix("a\xe2\x82\xac", 4) == "a\xe2\x82\xac");
  CHECK(text_prefix("\xf0\x9f\x98\x80", 3).empty());
}

TEST_CASE("times are RFC 3339 in UTC") {
  CHECK(rfc3339(1'767'323'045'000'006) == "2026-01-02T03:04:05.000006Z");
}

TEST_CASE("a peer's text cannot break a log line") {
  std::string text = log_line(LogFormat::text, 0, LogLevel::info, "m", {{"k", "a\nlevel=error \x1b[2J"}});
  CHECK(text.find('\n') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  std::string json = log_line(LogFormat::json, 0, LogLevel::info, "m", {{"k", "\"\\\x01\xff"}});
  CHECK(json.find("\"k\":\"\\\"\\\\\\u0001\\ufffd\"") != std::string::npos);
}

TEST_CASE("base64url has no padding, and is not base64") {
  for (const std::string& bytes :
       {std::string(), std::string("\xfb"), std::string("\xff\xef"), std::string("\xfb\xff\xfe")}) {
    const std::string text = base64url_encode(bytes);
    CHECK(text.find_first_of("+/=") == std::string::npos);
    CHECK(*base64url_decode(text) == bytes);
  }
  CHECK(base64url_encode("\xfb\xff\xfe") == "-__-");
  for (const char* bad : {"+__-", "/w", "_w==", "_", "_x", "a b_"}) CHECK_FALSE(base64url_decode(bad));
}

TEST_CASE("hexadecimal digits are small letters, two for each byte") {
  CHECK(hex_of(std::string("\x00\xaf", 2)) == "00af");
  CHECK(bytes_of_hex("00af") == std::string("\x00\xaf", 2));
  for (const char* bad : {"0", "0g", "AF", "0x"}) CHECK(bytes_of_hex(bad).empty());
  std::array<uint8_t, 2> place{};
  CHECK(read_hex("00af", place));
  CHECK(place[1] == 0xaf);
  for (const char* bad : {"00a", "00af0", "00aF", ""}) CHECK_FALSE(read_hex(bad, place));
}
