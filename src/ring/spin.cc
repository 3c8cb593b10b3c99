#include "ringfence/ring/spin.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <semaphore>
#include <string>
#include <thread>

#include "ringfence/base/clock.h"

namespace ringfence::ring {
namespace {

constexpr uint64_t sample_ns = 200'000'000;
// Without a question for so long the sampler sleeps until there is one.
constexpr int quiet_samples = 5;
// What the clock ticks of the kernel's counters, and a moment's work of others, may be short of a whole core.
constexpr uint64_t slack_percent = 15;

std::string read_file(const std::string& path) {
  std::string out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  std::array<char, 4096> room;
  for (ssize_t got; (got = ::read(fd, room.data(), room.size())) > 0;)
    out.append(room.data(), static_cast<size_t>(got));
  ::close(fd);
  return out;
}

// Whether this process's control group, or one around it, has a quota.
bool has_quota() {
  const std::string groups = read_file("/proc/self/cgroup");
  for (auto [where, file] :
       {std::pair("/sys/fs/cgroup", "cpu.max"), std::pair("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us")}) {
    std::string own = control_group(groups, file == std::string_view("cpu.max") ? "" : "cpu");
    for (;;) {
      if (is_bounded_by(read_file(where + own + "/" + file))) return true;
      if (own.empty()) break;
      own.resize(own.rfind('/'));
    }
  }
  return false;
}

// The processors that this process may use, as far as /proc/stat tells of them in its first lines; what comes
// behind those is long and not wanted.
class OwnProcessors {
 public:
  OwnProcessors() : fd_(::open("/proc/stat", O_RDONLY | O_CLOEXEC)), text_(size_t{256} << 10, '\0') {
    if (sched_getaffinity(0, sizeof set_, &set_) != 0) CPU_ZERO(&set_);
  }
  ~OwnProcessors() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnProcessors(const OwnProcessors&) = delete;
  OwnProcessors& operator=(const OwnProcessors&) = delete;

  std::optional<IdleTicks> idle() {
    const ssize_t got = fd_ < 0 ? -1 : ::pread(fd_, text_.data(), text_.size(), 0);
    if (got <= 0) return std::nullopt;
    return parse_proc_stat(std::string_view(text_).substr(0, static_cast<size_t>(got)),
                           [this](unsigned cpu) { return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &set_); });
  }

 private:
  int fd_;
  std::string text_;
  cpu_set_t set_;
};

}  // namespace

bool is_bounded_by(std::string_view quota) {
  return !quota.empty() && !quota.starts_with("max") && !quota.starts_with("-1");
}

std::string control_group(std::string_view text, std::string_view controller) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    const bool is_it = controller.empty()
                           ? controllers == ",,"
                           : controllers.find("," + std::string(controller) + ",") != controllers.npos;
    const std::string_view path = line.substr(second + 1);
    if (is_it) return std::string(path == "/" ? std::string_view() : path);
  }
  return "";
}

std::optional<IdleTicks> parse_proc_stat(std::string_view text, const std::function<bool(unsigned)>& counts) {
  IdleTicks out;
  while (text.starts_with("cpu")) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    size_t at = std::min(line.find(' '), line.size());
    if (at == 3) continue;  // "cpu  ": all of them together.
    unsigned processor = 0;
    if (std::from_chars(line.data() + 3, line.data() + at, processor).ptr != line.data() + at)
      return std::nullopt;
    std::array<uint64_t, 5> values{};  // user, nice, system, idle, iowait
    for (uint64_t& value : values) {
      at = line.find_first_not_of(' ', at);
      if (at == std::string_view::npos) return std::nullopt;
      auto [end, error] = std::from_chars(line.data() + at, line.data() + line.size(), value);
      if (error != std::errc()) return std::nullopt;
      at = static_cast<size_t>(end - line.data());
    }
    if (!counts(processor)) continue;
    out.ticks += values[3] + values[4];
    ++out.processors;
  }
  if (out.processors == 0) return std::nullopt;
  return out;
}

unsigned spare_cores(unsigned processors, uint64_t window_ns, uint64_t idle_ns, uint64_t spun_ns) {
  if (window_ns == 0) return 0;
  const uint64_t unused_percent = (idle_ns + spun_ns) * 100 / window_ns;
  return std::min(processors, static_cast<unsigned>((unused_percent + slack_percent) / 100));
}

struct SpareCores::Sampler {
  std::atomic<bool> is_ending{false};
  std::counting_semaphore<> wake{0};
  std::thread thread;
};

SpareCores::SpareCores() : sampler_(std::make_unique<Sampler>()) {
  sampler_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "rf-cores");
    OwnProcessors processors;
    bool is_bounded = has_quota();
    const auto tick_ns = 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
    std::optional<IdleTicks> before;
    uint64_t before_ns = 0;
    int quiet = quiet_samples;
    while (!sampler_->is_ending.load()) {
      quiet = is_asked_.exchange(false) ? 0 : quiet + 1;
      if (quiet > quiet_samples) {
        spare_.store(0);
        before.reset();
        is_dozing_.store(true);
        // Asked in between: whoever asked saw no need to wake.
        if (!is_asked_.load()) sampler_->wake.acquire();
        is_dozing_.store(false);
        is_bounded = has_quota();  // It may have been given one since.
        continue;
      }
      const auto now = is_bounded ? std::nullopt : processors.idle();
      const uint64_t now_ns = mono_ns();
      // Woken early, by a word that was meant for a sleeper: too short for the clock's ticks to say anything.
      if (before && now_ns - before_ns < sample_ns / 2) {
        (void)sampler_->wake.try_acquire_for(std::chrono::nanoseconds(sample_ns));
        continue;
      }
      const uint64_t spun_ns = spun_ns_.exchange(0);
      if (before && now && now->ticks >= before->ticks) {
        spare_.store(spare_cores(now->processors, now_ns - before_ns, (now->ticks - before->ticks) * tick_ns,
                                 spun_ns));
      }
      before = now;
      before_ns = now_ns;
      (void)sampler_->wake.try_acquire_for(std::chrono::nanoseconds(sample_ns));
    }
  });
}

SpareCores::SpareCores(unsigned fixed) : spare_(fixed), is_asked_(true) {}

SpareCores::~SpareCores() {
  if (!sampler_) return;
  sampler_->is_ending.store(true);
  sampler_->wake.release();
  sampler_->thread.join();
}

bool SpareCores::take() {
  if (!is_asked_.load(std::memory_order_relaxed)) {
    is_asked_.store(true);
    if (is_dozing_.load() && is_dozing_.exchange(false)) sampler_->wake.release();
  }
  unsigned taken = taken_.load(std::memory_order_relaxed);
  while (taken < spare_.load(std::memory_order_relaxed)) {
    if (taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void SpareCores::give_back(uint64_t spun_ns) {
  taken_.fetch_sub(1, std::memory_order_relaxed);
  spun_ns_.fetch_add(spun_ns, std::memory_order_relaxed);
}

}  // namespace ringfence::ring
