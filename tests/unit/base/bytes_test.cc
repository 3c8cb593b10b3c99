#include "ringfence/base/bytes.h"

#include <doctest/doctest.h>

#include "ringfence/base/crc32c.h"
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
