#include <doctest/doctest.h>

#include "auth/recent_successes.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

constexpr Uuid alice{{1}};
constexpr Uuid bob{{2}};
constexpr crypto::Digest key{{7}};
constexpr uint64_t keep_ns = 1'000;

crypto::Digest numbered(size_t number) { return crypto::sha256(std::to_string(number)); }

}  // namespace

TEST_CASE("A proof is of the user, the stored hash and the password, each by itself") {
  const RecentSuccesses recent(key, 10, keep_ns);
  const auto proof = recent.proof_of(alice, "$stored", "secret123");
  CHECK(recent.proof_of(alice, "$stored", "secret123") == proof);
  CHECK(recent.proof_of(bob, "$stored", "secret123") != proof);
  CHECK(recent.proof_of(alice, "$stored2", "secret123") != proof);
  CHECK(recent.proof_of(alice, "$stored", "secret124") != proof);
  // What is taken from one and given to the other makes another proof.
  CHECK(recent.proof_of(alice, "$store", "dsecret123") != proof);
  CHECK(recent.proof_of(alice, "$storeds", "ecret123") != proof);
  const RecentSuccesses elsewhere(crypto::Digest{{8}}, 10, keep_ns);
  CHECK(elsewhere.proof_of(alice, "$stored", "secret123") != proof);
}

TEST_CASE("Only what was added is there, and only for its time") {
  RecentSuccesses recent(key, 10, keep_ns);
  CHECK_FALSE(recent.has(numbered(1), 0));
  recent.add(numbered(1), 5);
  CHECK(recent.has(numbered(1), 5));
  CHECK(recent.has(numbered(1), 1'004));
  CHECK_FALSE(recent.has(numbered(1), 1'005));
  CHECK_FALSE(recent.has(numbered(2), 5));
}

TEST_CASE("The whole proof is compared, not only the bytes that it is looked up by") {
  RecentSuccesses recent(key, 10, keep_ns);
  recent.add(numbered(1), 0);
  crypto::Digest twin = numbered(1);
  twin.back() ^= 1;
  CHECK_FALSE(recent.has(twin, 1));
}

TEST_CASE("To look does not prolong, to add again does") {
  RecentSuccesses recent(key, 10, keep_ns);
  recent.add(numbered(1), 0);
  CHECK(recent.has(numbered(1), 900));
  CHECK_FALSE(recent.has(numbered(1), 1'100));
  recent.add(numbered(2), 1'100);
  recent.add(numbered(2), 1'900);
  recent.add(numbered(3), 2'200);  // Drops what ended first, not what was added again.
  CHECK(recent.has(numbered(2), 2'800));
  CHECK_FALSE(recent.has(numbered(2), 2'900));
  CHECK(recent.has(numbered(3), 2'900));
}

TEST_CASE("There are never more than the bound, and the oldest one goes") {
  RecentSuccesses recent(key, 100, keep_ns);
  for (size_t i = 0; i < 1'000; ++i) {
    recent.add(numbered(i), i / 10);
    CHECK(recent.size() <= 100);
  }
  CHECK(recent.size() == 100);
  for (size_t i = 0; i < 1'000; ++i) CHECK(recent.has(numbered(i), 100) == (i >= 900));
  // What has ended makes room by itself.
  recent.add(numbered(1'000), 5'000);
  CHECK(recent.size() == 1);
}

TEST_CASE("One that is added over and over pushes no more out than the bound") {
  RecentSuccesses recent(key, 4, keep_ns);
  for (uint64_t i = 0; i < 100; ++i) recent.add(numbered(1), i);
  CHECK(recent.has(numbered(1), 100));
  CHECK(recent.size() == 1);
}

TEST_CASE("A bound of zero remembers nothing") {
  RecentSuccesses recent(key, 0, keep_ns);
  recent.add(numbered(1), 0);
  CHECK_FALSE(recent.has(numbered(1), 0));
  CHECK(recent.size() == 0);
}
