// Looking for work for a moment before going to sleep. Being woken costs a thread tens of microseconds, which
// is most of what one client that waits for each answer gets to see; looking costs a core that nobody else
// may want.
//
// What always holds: a shard looks around only where its last waits were short, so that looking is likely to
// find something, where looking has shown to shorten them, and only while one of the cores that the process
// may use has nothing to do.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ringfence::ring {

// Whether looking is worth while: of one thread, from how long its last waits were, and from trials. Where
// waking costs little there is nothing to be gained.
class SpinHistory {
 public:
  // So long a thread looks; waits that were shorter would have been spared a sleep.
  static constexpr uint64_t window_ns = 50'000;
  // Of so many waits in a row the first are slept, the next looked away, so many each; the rest are as those
  // were shorter, if by a fifth at least.
  static constexpr unsigned round_waits = 4'096;
  static constexpr unsigned trial_waits = 64;

  // Most of the last eight waits ended within the window, or would have, had nobody had to be woken.
  bool is_promising() const { return std::popcount(short_waits_) >= 5; }
  // Asked before each wait.
  bool wants_to_look() const {
    if (!is_promising() || waits_ < trial_waits) return false;
    return waits_ < 2 * trial_waits || helps_;
  }
  void note(uint64_t waited_ns, bool has_looked) {
    short_waits_ = static_cast<uint8_t>(short_waits_ << 1 | (waited_ns <= window_ns + wake_ns ? 1 : 0));
    if (!is_promising()) return;
    if (waits_ < 2 * trial_waits) {
      Mean& mean = has_looked ? looked_ : slept_;
      mean.sum_ns += std::min(waited_ns, outlier_ns);
      ++mean.count;
    }
    if (++waits_ == 2 * trial_waits) judge();
    if (waits_ == round_waits) waits_ = 0;
  }

 private:
  static constexpr uint64_t wake_ns = 40'000;
  static constexpr uint64_t outlier_ns = 200'000;
  struct Mean {
    uint64_t sum_ns = 0;
    uint64_t count = 0;
  };

  // A trial in which it could not look, for lack of a core, says no.
  void judge() {
    helps_ = looked_.count >= trial_waits / 2 && slept_.count > 0 &&
             looked_.sum_ns * slept_.count * 5 < slept_.sum_ns * looked_.count * 4;
    looked_ = slept_ = {};
  }

  uint8_t short_waits_ = 0;
  bool helps_ = false;
  unsigned waits_ = 0;
  Mean looked_;
  Mean slept_;
};

// What /proc/stat (proc_stat(5)) says of some processors: for how many clock ticks since boot they did
// nothing, all together, and how many they are.
struct IdleTicks {
  uint64_t ticks = 0;
  unsigned processors = 0;
};
// `counts`: whether the processor of that number is meant. Nothing where the text is not that file's.
std::optional<IdleTicks> parse_proc_stat(std::string_view text, const std::function<bool(unsigned)>& counts);

// Whether a control group's quota bounds what its processes may use: what is looked away then is taken from
// their work. cpu.max of the unified hierarchy ("max 100000", "150000 100000"), cpu.cfs_quota_us of the older
// one ("-1", "150000").
bool is_bounded_by(std::string_view quota);
// The path of the group that /proc/self/cgroup (cgroups(7)) names for this controller, "" for the root; with
// no controller that of the unified hierarchy.
std::string control_group(std::string_view text, std::string_view controller);

// How many of `processors` could look around without taking anything from anybody, where in `window_ns` all
// of them together were idle for `idle_ns` and looked around, which is no use to anybody, for `spun_ns`.
unsigned spare_cores(unsigned processors, uint64_t window_ns, uint64_t idle_ns, uint64_t spun_ns);

// The spare ones of the cores that the process may use, shared by the shards. A thread of its own reads the
// machine's state a few times a second while anybody asks, and sleeps when nobody does. In a control group
// with a quota there are none.
class SpareCores {
 public:
  SpareCores();
  // So many, whatever the machine does: for tests.
  explicit SpareCores(unsigned fixed);
  ~SpareCores();
  SpareCores(const SpareCores&) = delete;
  SpareCores& operator=(const SpareCores&) = delete;

  // A core to look around on, to be given back; false: there is none. From any thread.
  bool take();
  void give_back(uint64_t spun_ns);

 private:
  struct Sampler;

  std::atomic<unsigned> spare_{0};
  std::atomic<unsigned> taken_{0};
  std::atomic<uint64_t> spun_ns_{0};
  std::atomic<bool> is_asked_{false};
  std::atomic<bool> is_dozing_{false};
  std::unique_ptr<Sampler> sampler_;
};

}  // namespace ringfence::ring
