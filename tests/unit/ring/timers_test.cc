#include "ringfence/ring/timers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

using namespace ringfence::ring;

TEST_CASE("timers fire in the order of their times, and not once cancelled") {
  Timers timers;
  std::vector<int> fired;
  CallbackTimer a(timers, [&] { fired.push_back(1); });
  CallbackTimer b(timers, [&] { fired.push_back(2); });
  CallbackTimer c(timers, [&] { fired.push_back(3); });
  {
    CallbackTimer gone(timers, [&] { fired.push_back(4); });
    gone.arm(5);
  }
  a.arm(30);
  b.arm(10);
  c.arm(20);
  c.arm(40);
  CHECK(timers.next_due_ns() == 10);
  timers.run(9);
  CHECK(fired.empty());
  timers.run(35);
  CHECK(fired == std::vector<int>{2, 1});
  c.cancel();
  timers.run(100);
  CHECK(fired.size() == 2);
  CHECK(timers.next_due_ns() == Timers::never);
}

TEST_CASE("a timer that arms itself again for now fires once a call") {
  Timers timers;
  int fired = 0;
  CallbackTimer* self = nullptr;
  CallbackTimer timer(timers, [&] {
    ++fired;
    self->arm(50);
  });
  self = &timer;
  std::vector<std::unique_ptr<CallbackTimer>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(std::make_unique<CallbackTimer>(timers, [] {}));
    others.back()->arm(1000);
  }
  timer.arm(50);
  timers.run(100);
  CHECK(fired == 1);
  timers.run(101);
  CHECK(fired == 2);
}

TEST_CASE("a timer may destroy others while it fires") {
  Timers timers;
  std::vector<std::unique_ptr<CallbackTimer>> all;
  int fired = 0;
  CallbackTimer killer(timers, [&] { all.clear(); });
  for (uint64_t i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<CallbackTimer>(timers, [&] { ++fired; }));
    all.back()->arm(i);
  }
  killer.arm(10);
  timers.run(100);
  CHECK(fired <= 11);
  CHECK(timers.size() == 0);
}

TEST_CASE("whatever is armed and cancelled, what fires is what an ordered map says") {
  std::mt19937_64 random(7);
  Timers timers;
  std::multimap<uint64_t, int> model;
  std::vector<std::unique_ptr<CallbackTimer>> all;
  std::vector<int> fired;
  for (int i = 0; i < 200; ++i)
    all.push_back(std::make_unique<CallbackTimer>(timers, [&fired, i] { fired.push_back(i); }));
  uint64_t now = 0;
  auto forget = [&](int i) { std::erase_if(model, [&](const auto& entry) { return entry.second == i; }); };
  for (int step = 0; step < 20'000; ++step) {
    int i = static_cast<int>(random() % all.size());
    switch (random() % 4) {
      case 0:
      case 1: {
        uint64_t due = now + 1 + random() % 500;
        forget(i);
        all[static_cast<size_t>(i)]->arm(due);
        model.emplace(due, i);
        break;
      }
      case 2:
        forget(i);
        all[static_cast<size_t>(i)]->cancel();
        break;
      default: {
        now += random() % 20;
        fired.clear();
        timers.run(now);
        std::vector<int> expected;
        while (!model.empty() && model.begin()->first <= now) {
          expected.push_back(model.begin()->second);
          model.erase(model.begin());
        }
        std::sort(fired.begin(), fired.end());
        std::sort(expected.begin(), expected.end());
        REQUIRE(fired == expected);
      }
    }
    REQUIRE(timers.size() == model.size());
    REQUIRE(timers.next_due_ns() == (model.empty() ? Timers::never : model.begin()->first));
  }
}
