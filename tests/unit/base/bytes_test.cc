#include "ringfence/base/bytes.h"

#include <doctest/doctest.h>

#include "ringfence/base/crc32c.h"
#include "ringfence/base/keyed_hash.h"
#include "ringfence/base/uuid.h"

using namespace ringfence;

TEST_CASE("a writer's bytes read back as the same values") {
  std::string out;
  Writer(out).u8(7).u16(0x1234).u32(0xdeadbeef).u64(1).i16(-2).i32(-3).cstr("name").bytes("xy");
  Reader in(out);
  CHECK(in.u8() == 7);
  CHECK(in.u16() == 0x1234);
  CHECK(in.u32() == 0xdeadbeef);
  CHECK(in.u64() == 1);
  CHECK(in.i16() == -2);
  CHECK(in.i32() == -3);
  CHECK(in.cstr() == "name");
  CHECK(in.bytes(2) == "xy");
  CHECK(in.at_end());
}

TEST_CASE("a reader stays failed after one short read") {
  Reader in(ByteView("\0\0\0", 3));
  CHECK(in.u32() == 0);
  CHECK_FALSE(in.ok());
  CHECK(in.u8() == 0);
  CHECK_FALSE(in.at_end());
  Reader unterminated("abc");
  CHECK(unterminated.cstr().empty());
  CHECK_FALSE(unterminated.ok());
}

TEST_CASE("crc32c gives the check values of RFC 3720 and continues over parts") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c("6789", crc32c("12345")) == crc32c("123456789"));
}

TEST_CASE("the keyed hash is SipHash-1-3") {
  // As `openssl mac` (size 8, c-rounds 1, d-rounds 3) gives it, of 00 01 02 … under the key 00 01 … 0f, whose
  // first eight bytes are the low half. Those of 0, 1 and 8 bytes stand in the tests of Rust's library too.
  const HashKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  std::string bytes;
  for (int i = 0; i < 64; ++i) bytes.push_back(static_cast<char>(i));
  const std::pair<size_t, uint64_t> vectors[] = {{0, 0xabac0158050fc4dcu},  {1, 0xc9f49bf37d57ca93u},
                                                 {7, 0xd3927d989bb11140u},  {8, 0x369095118d299a8eu},
                                                 {15, 0xd320d86d2a519956u}, {16, 0xcc4fdd1a7d908b66u},
                                                 {63, 0x9d199062b7bbb3a8u}};
  for (auto [size, hash] : vectors) CHECK(keyed_hash(key, bytes.substr(0, size)) == hash);
  CHECK(keyed_hash({key.low ^ 1, key.high}, bytes) != keyed_hash(key, bytes));
  CHECK(keyed_hash({key.low, key.high ^ 1}, bytes) != keyed_hash(key, bytes));
}

TEST_CASE("a version 7 UUID carries its time, sorts by it and survives its text form") {
  Uuid early = uuid_v7(1'700'000'000'000'123, 0xffff'ffff'ffff'ffff);
  Uuid late = uuid_v7(1'700'000'000'000'999, 0);
  CHECK(early < late);
  CHECK((early.bytes[6] >> 4) == 7);
  CHECK((early.bytes[8] >> 6) == 2);
  auto back = parse_uuid(to_string(early));
  REQUIRE(back.has_value());
  CHECK(*back == early);
  CHECK_FALSE(parse_uuid("not-a-uuid").has_value());
  CHECK_FALSE(parse_uuid(std::string(36, 'z')).has_value());
}
