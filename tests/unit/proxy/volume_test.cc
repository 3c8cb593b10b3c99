// How much a user may add to the trail. The clock is the test's.
#include "ringfence/proxy/core/volume.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ringfence;
using namespace ringfence::proxy;
using model::mib;

namespace {

constexpr uint64_t second = 1'000'000'000;
constexpr VolumeRule bounds{mib, 4 * mib};  // A mebibyte a second, four at once.

}  // namespace

TEST_CASE("a burst passes, then the rate holds") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  auto meter = meters.find("alice", bounds, second);
  uint64_t passed = 0;
  uint64_t now = second;
  while (meter->settle(now) == 0) {
    meter->charge(1'000);
    passed += 1'000;
  }
  CHECK(passed >= 4 * mib - VolumeMeter::lease_bytes);
  CHECK(passed <= 4 * mib + VolumeMeter::lease_bytes + 1'000);
  // Ten seconds, in which it comes back whenever it may.
  passed = 0;
  const uint64_t end = now + 10 * second;
  while (now < end) {
    uint64_t wait = meter->settle(now);
    if (wait > 0) {
      now += wait;
      continue;
    }
    meter->charge(1'000);
    passed += 1'000;
  }
  CHECK(passed > 10 * mib - 2 * VolumeMeter::lease_bytes);
  CHECK(passed < 10 * mib + 2 * VolumeMeter::lease_bytes);
}

TEST_CASE("what one record takes beyond the rest is waited for") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  auto meter = meters.find("alice", bounds, second);
  CHECK(meter->settle(second) == 0);
  meter->charge(6 * mib);
  const uint64_t wait = meter->settle(second);
  CHECK(wait > 19 * second / 10);
  CHECK(wait < 21 * second / 10);
  CHECK(meter->settle(second + wait - 1'000) > 0);
  CHECK(meter->settle(second + wait) == 0);
}

TEST_CASE("the shards share a bound, and no user has another's") {
  VolumeBudgets budgets;
  VolumeMeters here(budgets), there(budgets);
  auto first = here.find("alice", bounds, second);
  auto second_shards = there.find("alice", bounds, second);
  CHECK(first != second_shards);
  CHECK(first == here.find("alice", bounds, second));
  CHECK(first->settle(second) == 0);
  first->charge(8 * mib);
  CHECK(first->settle(second) > 0);
  CHECK(second_shards->settle(second) > 0);
  auto bob = here.find("bob", bounds, second);
  CHECK(bob->settle(second) == 0);
}

TEST_CASE("connecting anew fills nothing, and costs nothing") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  for (int i = 0; i < 10'000; ++i) CHECK(meters.find("bob", bounds, second)->settle(second) == 0);
  {
    auto meter = meters.find("alice", bounds, second);
    (void)meter->settle(second);
    meter->charge(8 * mib);
    CHECK(meter->settle(second) > 0);
  }
  CHECK(meters.find("alice", bounds, second)->settle(second) > 0);
  CHECK(meters.find("alice", bounds, 20 * second)->settle(20 * second) == 0);
}

TEST_CASE("without a rate there is no bound") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  CHECK(meters.find("alice", VolumeRule{0, mib}, second) == nullptr);
  CHECK(budgets.size() == 0);
}

TEST_CASE("the table of budgets is bounded; those beyond it share one") {
  VolumeBudgets budgets;
  std::vector<std::shared_ptr<VolumeBudget>> held;
  for (size_t i = 0; i < VolumeBudgets::budgets_max + 100; ++i) {
    held.push_back(budgets.find("2001:db8::" + std::to_string(i), second));
    held.back()->spend(mib, bounds, second);
  }
  CHECK(budgets.size() == VolumeBudgets::budgets_max);
  CHECK(held[VolumeBudgets::budgets_max] == held[VolumeBudgets::budgets_max + 99]);
  CHECK(held[0] != held[1]);
  held.clear();
  // All are whole again by then.
  (void)budgets.find("10.0.0.1", 10 * second);
  CHECK(budgets.size() == 1);
}

TEST_CASE("a new bounds holds for the sessions that come after it") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  auto old = meters.find("alice", bounds, second);
  auto fresh = meters.find("alice", VolumeRule{2 * mib, 8 * mib}, second);
  CHECK(old != fresh);
  CHECK(fresh->rule().bytes_per_s == 2 * mib);
  CHECK(old->rule() == bounds);
}

TEST_CASE("behind a journal that waits for the store a burst is short, and the rate stays") {
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  auto meter = meters.find("alice", bounds, second);
  uint64_t passed = 0;
  while (meter->settle(second, true) == 0) {
    meter->charge(1'000);
    passed += 1'000;
  }
  CHECK(passed >= VolumeMeter::behind_burst_bytes - VolumeMeter::lease_bytes);
  CHECK(passed <= VolumeMeter::behind_burst_bytes + VolumeMeter::lease_bytes + 1'000);
  CHECK(meter->settle(second, true) <= VolumeMeter::lease_bytes * second / mib + 1);
  CHECK(meter->wait_ns(second) == 0);
  // The store has caught up.
  CHECK(meter->settle(second) == 0);
  meter->charge(VolumeMeter::lease_bytes + VolumeMeter::small_bytes);
  const uint64_t before = meter->settle(second, true);
  meter->charge(mib);
  CHECK(meter->settle(second, true) > before + 3 * second);
}

TEST_CASE("that the store is behind slows, and is no part of what the bounds asks to be waited for") {
  constexpr VolumeRule small{mib, mib};
  VolumeBudgets budgets;
  VolumeMeters meters(budgets);
  auto meter = meters.find("alice", small, second);
  CHECK(meter->settle(second, true) == 0);
  meter->charge(5 * mib);
  const uint64_t behind = meter->settle(second, true);
  CHECK(behind > 15 * second);
  CHECK(meter->wait_ns(second) < 5 * second);
  // The store has caught up.
  CHECK(meter->settle(second) == meter->wait_ns(second));
}
