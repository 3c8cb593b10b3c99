// Looking for work before sleeping.
#include "ringfence/ring/spin.h"

#include <doctest/doctest.h>

#include <thread>

#include "ringfence/base/clock.h"
#include "ringfence/ring/shard.h"

using namespace ringfence;
using namespace ringfence::ring;

namespace {

// So many waits, each as long as `slept` or `looked` says; how often it looked.
unsigned waits(SpinHistory& history, unsigned count, uint64_t slept_ns, uint64_t looked_ns,
               bool may_look = true) {
  unsigned looks = 0;
  for (unsigned i = 0; i < count; ++i) {
    const bool looks_now = history.wants_to_look() && may_look;
    looks += looks_now ? 1 : 0;
    history.note(looks_now ? looked_ns : slept_ns, looks_now);
  }
  return looks;
}

}  // namespace

TEST_CASE(
    "looking is promising once most of the last waits were short, and not any more once they are long") {
  SpinHistory history;
  CHECK_FALSE(history.is_promising());
  for (int i = 0; i < 4; ++i) history.note(20'000, false);
  CHECK_FALSE(history.is_promising());
  history.note(20'000, false);
  CHECK(history.is_promising());
  for (int i = 0; i < 3; ++i) history.note(20'000, false);
  for (int i = 0; i < 3; ++i) history.note(10'000'000, false);
  CHECK(history.is_promising());
  history.note(10'000'000, false);
  CHECK_FALSE(history.is_promising());
}

TEST_CASE(
    "a thread looks where a trial has shown that its waits get shorter by that, and tries again later") {
  constexpr unsigned round = SpinHistory::round_waits, trial = SpinHistory::trial_waits;
  SpinHistory gains, gains_little, has_no_core, loses_it;
  CHECK(waits(gains, 4 * round, 70'000, 30'000) > 3 * round);
  CHECK(waits(gains_little, 4 * round, 33'000, 30'000) <= 5 * trial);
  SpinHistory tries;
  CHECK(waits(tries, 4 * round, 33'000, 30'000) >= 3 * trial);
  CHECK(waits(has_no_core, 4 * round, 70'000, 30'000, false) == 0);
  CHECK(waits(loses_it, round, 70'000, 30'000) > round / 2);
  waits(loses_it, round, 30'000, 30'000);
  CHECK(waits(loses_it, 4 * round, 30'000, 30'000) <= 5 * trial);
  // Long waits are none of its business.
  SpinHistory long_ones;
  CHECK(waits(long_ones, 4 * round, 5'000'000, 5'000'000) == 0);
}

TEST_CASE("of /proc/stat the idle time of the processors that count is read") {
  constexpr std::string_view text =
      "cpu  100 0 50 900 10 0 3 0 0 0\ncpu0 50 0 25 400 5 0 3 0 0 0\ncpu1 50 0 25 500 5 0 0 0 0 0\nintr "
      "12345 0 1\nctxt 7\n";
  auto all = parse_proc_stat(text, [](unsigned) { return true; });
  REQUIRE(all);
  CHECK(all->ticks == 910);
  CHECK(all->processors == 2);
  auto second = parse_proc_stat(text, [](unsigned cpu) { return cpu == 1; });
  REQUIRE(second);
  CHECK(second->ticks == 505);
  CHECK(second->processors == 1);
  CHECK_FALSE(parse_proc_stat(text, [](unsigned) { return false; }));
  for (std::string_view wrong :
       {"", "intr 1", "cpu0", "cpu0 1 2 3", "cpu0 1 2 3 x 5", "cpux 1 2 3 4 5", "cpu0 1 2 3 4\ncpu1 1 2 3"}) {
    CHECK_FALSE(parse_proc_stat(wrong, [](unsigned) { return true; }));
  }
}

TEST_CASE("a core is spare when others leave it, what was only looked away counting as left") {
  constexpr uint64_t second = 1'000'000'000;
  CHECK(spare_cores(2, second, 0, 0) == 0);
  CHECK(spare_cores(2, second, second, 0) == 1);
  CHECK(spare_cores(2, second, second * 9 / 10, 0) == 1);
  CHECK(spare_cores(2, second, second / 2, 0) == 0);
  CHECK(spare_cores(2, second, second / 2, second / 2) == 1);
  CHECK(spare_cores(2, second, 3 * second, 0) == 2);
  CHECK(spare_cores(8, second, 5 * second, 2 * second) == 7);
  CHECK(spare_cores(2, 0, second, 0) == 0);
}

TEST_CASE("a control group with a quota is bounded, one without or with no such file is not") {
  CHECK(is_bounded_by("150000 100000\n"));
  CHECK_FALSE(is_bounded_by("max 100000\n"));
  CHECK_FALSE(is_bounded_by(""));
  CHECK(is_bounded_by("150000\n"));
  CHECK_FALSE(is_bounded_by("-1\n"));
}

TEST_CASE("a process's control group is found in either hierarchy") {
  constexpr std::string_view text =
      "12:cpuset:/a\n4:cpu,cpuacct:/system.slice/ringfence.service\n1:name=systemd:/b\n0::/init.scope\n";
  CHECK(control_group(text, "") == "/init.scope");
  CHECK(control_group(text, "cpu") == "/system.slice/ringfence.service");
  CHECK(control_group(text, "cpuacct") == "/system.slice/ringfence.service");
  CHECK(control_group(text, "memory") == "");
  CHECK(control_group("0::/\n", "") == "");
  CHECK(control_group("broken\n\n0:", "") == "");
}

TEST_CASE("no more look than there are cores, and a core that is given back is there again") {
  SpareCores none(0), two(2);
  CHECK_FALSE(none.take());
  CHECK(two.take());
  CHECK(two.take());
  CHECK_FALSE(two.take());
  two.give_back(1);
  CHECK(two.take());
}

TEST_CASE("the sampler ends, asked or not") {
  {
    SpareCores cores;
  }
  SpareCores cores;
  for (int i = 0; i < 100; ++i) {
    if (cores.take()) cores.give_back(10);
  }
}

TEST_CASE("nothing is lost of what comes while a shard looks, sleeps or decides between the two") {
  SpareCores cores(1);
  ShardOptions options;
  options.spare_cores = &cores;
  Shard shard(options);
  REQUIRE(shard.start());
  std::atomic<uint64_t> ran{0};
  uint64_t posted = 0;
  // How often it looks depends on the machine: on a busy one few waits are short.
  for (; posted < 20'000 && shard.counters().spins_hit < 2'000; ++posted) {
    REQUIRE(shard.post([&ran] { ++ran; }));
    const uint64_t give_up_ns = mono_ns() + 20'000'000'000;
    while (ran.load() <= posted && mono_ns() < give_up_ns) std::this_thread::yield();
    REQUIRE(ran.load() == posted + 1);
  }
  shard.stop();
  shard.join();
  const RingCounters counters = shard.counters();
  CHECK(counters.spins >= counters.spins_hit);
  CHECK((counters.spins == 0) == (counters.spun_ns == 0));
}
