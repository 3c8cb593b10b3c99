// Networks and the addresses that they have.
#include "ringfence/model/network.h"

#include <doctest/doctest.h>

#include <random>

using namespace ringfence::model;

namespace {

bool has(const char* network, const char* address) {
  const auto parsed = Network::parse(network);
  REQUIRE_MESSAGE(parsed, network);
  const auto one = IpAddress::parse(address);
  REQUIRE_MESSAGE(one, address);
  return parsed->contains(*one);
}

}  // namespace

TEST_CASE("a network has its addresses and no others") {
  CHECK(has("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(has("10.0.0.0/8", "11.0.0.0"));
  CHECK(has("10.1.2.128/25", "10.1.2.128"));
  CHECK_FALSE(has("10.1.2.128/25", "10.1.2.127"));
  CHECK(has("10.1.2.3", "10.1.2.3"));
  CHECK_FALSE(has("10.1.2.3", "10.1.2.2"));
  CHECK(has("0.0.0.0/0", "255.1.2.3"));
  CHECK(has("2001:db8::/32", "2001:db8:ffff::1"));
  CHECK_FALSE(has("2001:db8::/32", "2001:db9::1"));
  CHECK(has("::1", "::1"));
  CHECK(has("::/0", "2001:db8::1"));
}

TEST_CASE("an IPv4 client is the same however its address is written, and is of no IPv6 network") {
  CHECK(has("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(has("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK_FALSE(has("::/0", "10.1.2.3"));
  CHECK_FALSE(has("::/0", "::ffff:10.1.2.3"));
  CHECK_FALSE(has("0.0.0.0/0", "2001:db8::1"));
  CHECK_FALSE(has("0.0.0.0/0", "::1"));
}

TEST_CASE("each bit of the length counts, and none beyond it") {
  std::mt19937 engine(7);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 2'000; ++round) {
    const unsigned bits = random() % 33;
    uint32_t address = random();
    const uint32_t mask = bits == 0 ? 0 : ~uint32_t{0} << (32 - bits);
    const auto text = [](uint32_t a) {
      return std::to_string(a >> 24) + "." + std::to_string(a >> 16 & 255) + "." +
             std::to_string(a >> 8 & 255) + "." + std::to_string(a & 255);
    };
    const auto network = Network::parse(text(address & mask) + "/" + std::to_string(bits));
    REQUIRE(network);
    CHECK(network->contains(*IpAddress::parse(text(address))));
    if (bits > 0) {
      const uint32_t other = address ^ (uint32_t{1} << (32 - 1 - random() % bits));
      CHECK_FALSE(network->contains(*IpAddress::parse(text(other))));
    }
  }
}

TEST_CASE("what is no network is refused with what to write") {
  for (const char* wrong : {"", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/+8",
                            "10.0.0.1/8", "10.0.0.0/8/8", "2001:db8::/129", "2001:db8::1/32", "host",
                            " 10.0.0.0/8", "10.0.0.0 /8", "10.0.0.0/0008", "unix/8", "fe80::1%lo/64"}) {
    CAPTURE(wrong);
    CHECK_FALSE(Network::parse(wrong));
    CHECK(check_network(wrong).starts_with("is \""));
  }
  CHECK(check_network("10.0.0.1/8").find("first address") != std::string::npos);
  CHECK(check_network("unix").empty());
  CHECK(check_network("10.0.0.0/8").empty());
}
