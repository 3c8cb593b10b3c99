#include "watchdog.h"

#include <doctest/doctest.h>

#include <future>

#include "ringfence/ring/shard.h"

using namespace ringfence;
using namespace ringfence::app;

namespace {
constexpr uint64_t second = 1'000'000'000;
constexpr uint64_t bound = 10 * second;

// Runs what is in the shard's mailbox now.
void settle(ring::Shard& shard) {
  std::promise<void> done;
  shard.post([&] { done.set_value(); });
  done.get_future().wait();
}
}  // namespace

TEST_CASE("a thread that reads its mailbox is never silent") {
  ring::Shard shard({});
  REQUIRE(shard.start().has_value());
  Watchdog watchdog(bound);
  watchdog.add("one", [&](ring::Job job) { return shard.post(std::move(job)); });
  for (uint64_t now = second; now < 100 * second; now += 9 * second) {
    CHECK(watchdog.silent(now).empty());
    settle(shard);
  }
  shard.stop();
}

TEST_CASE("a thread that hangs is named once the bound is over, and no more when it answers again") {
  ring::Shard good({}), bad({});
  REQUIRE(good.start().has_value());
  REQUIRE(bad.start().has_value());
  Watchdog watchdog(bound);
  watchdog.add("good", [&](ring::Job job) { return good.post(std::move(job)); });
  watchdog.add("bad", [&](ring::Job job) { return bad.post(std::move(job)); });
  std::promise<void> release;
  auto released = release.get_future();
  bad.post([&] { released.wait(); });
  CHECK(watchdog.silent(1 * second).empty());
  settle(good);
  CHECK(watchdog.silent(11 * second).empty());  // Exactly the bound.
  settle(good);
  CHECK(watchdog.silent(12 * second) == std::vector<std::string>{"bad"});
  release.set_value();
  settle(bad);
  settle(good);
  CHECK(watchdog.silent(13 * second).empty());
  good.stop();
  bad.stop();
}

TEST_CASE("one question at a time waits in the mailbox of a thread that hangs") {
  int asked = 0;
  Watchdog watchdog(bound);
  watchdog.add("one", [&](ring::Job) {
    ++asked;
    return true;
  });
  for (uint64_t now = second; now < 50 * second; now += second) watchdog.silent(now);
  CHECK(asked == 1);
}

TEST_CASE("a full mailbox is no answer, and the question is asked again") {
  int refused = 0;
  Watchdog watchdog(bound);
  watchdog.add("one", [&](ring::Job) {
    ++refused;
    return false;
  });
  CHECK(watchdog.silent(1 * second).empty());
  CHECK(watchdog.silent(12 * second).size() == 1);
  CHECK(refused == 2);
}

TEST_CASE("a number that stands still is silence, unless the thread waits for somebody else") {
  std::optional<uint64_t> turns = 1;
  Watchdog watchdog(bound);
  watchdog.add_turning("writer", [&] { return turns; });
  CHECK(watchdog.silent(1 * second).empty());
  CHECK(watchdog.silent(12 * second) == std::vector<std::string>{"writer"});
  turns = 2;
  CHECK(watchdog.silent(13 * second).empty());
  turns.reset();
  CHECK(watchdog.silent(30 * second).empty());
  CHECK(watchdog.silent(300 * second).empty());
  turns = 2;  // Back from there, and not one turn since.
  CHECK(watchdog.silent(301 * second).empty());
  CHECK(watchdog.silent(312 * second) == std::vector<std::string>{"writer"});
}
