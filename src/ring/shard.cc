#include "ringfence/ring/shard.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <future>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::ring {

// Keeps a read pending on the mailbox's eventfd, so that a post ends the wait.
struct Shard::Wake final : Operation {
  explicit Wake(Shard& owner) : shard(owner) {}
  void arm() { shard.ring_->read(shard.mailbox_.wake_fd(), &value, sizeof value, *this); }
  void complete(int, uint32_t, bool) override {
    if (!shard.stopping_.load(std::memory_order_relaxed)) arm();
  }
  Shard& shard;
  uint64_t value = 0;
};

Shard::Shard(ShardOptions options) : options_(std::move(options)), mailbox_(options_.mailbox_capacity) {}

Shard::~Shard() {
  stop();
  join();
}

Result<void> Shard::start() {
  std::promise<Result<void>> up;
  auto outcome = up.get_future();
  thread_ = std::thread([this, &up] {
    pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
    if (options_.cpu >= 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<unsigned>(options_.cpu), &set);
      pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    }
    auto ring = Ring::create(options_.ring);
    if (!ring) {
      up.set_value(unexpected(std::move(ring).error()));
      return;
    }
    ring_ = std::move(*ring);
    wake_ = std::make_unique<Wake>(*this);
    wake_->arm();
    tick();
    up.set_value({});
    run();
    ring_.reset();
  });
  auto result = outcome.get();
  if (!result) thread_.join();
  return result;
}

void Shard::stop() {
  stopping_.store(true);
  mailbox_.post([] {});
}

void Shard::join() {
  if (thread_.joinable()) thread_.join();
}

void Shard::tick() {
  now_ns_ = mono_ns();
  wall_us_ = wall_us();
}

void Shard::turn_at(uint64_t now_ns) {
  RINGFENCE_ASSERT(!thread_.joinable());
  now_ns_ = now_ns;
  wall_us_ = now_ns / 1'000;
  mailbox_.run();
  timers_.run(now_ns_);
}

// Until the next timer.
uint64_t Shard::time_to_wait() const {
  uint64_t due = timers_.next_due_ns();
  if (due == Timers::never) return Ring::wait_forever;
  return due > now_ns_ ? due - now_ns_ : 0;
}

// Instead of sleeping, for a moment. True when there is work.
bool Shard::look_around(uint64_t wait_ns) {
  constexpr int looks = 16;  // Between two looks at the clock.
  if (!waits_.wants_to_look() || ring_->has_unsubmitted() || !options_.spare_cores->take()) return false;
  const uint64_t begin = mono_ns();
  const uint64_t time = std::min(wait_ns, SpinHistory::window_ns);
  uint64_t spent = 0;
  bool has_work = false;
  while (!has_work && spent < time) {
    for (int i = 0; i < looks && !has_work; ++i) {
      has_work = ring_->has_news() || mailbox_.has_mail();
#if defined(__x86_64__)
      if (!has_work) __builtin_ia32_pause();
#endif
    }
    spent = mono_ns() - begin;
  }
  options_.spare_cores->give_back(spent);
  ++spins_;
  if (has_work) ++spins_hit_;
  spun_ns_ += spent;
  return has_work;
}

void Shard::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    uint64_t wait = time_to_wait();
    const bool may_spin = options_.spare_cores != nullptr && wait != 0;
    const uint64_t began = may_spin ? mono_ns() : 0;
    const uint64_t spins_before = spins_;
    if (may_spin && look_around(wait)) wait = 0;
    if (wait != 0 && !mailbox_.may_sleep()) wait = 0;
    ring_->wait(wait);
    mailbox_.woke();
    tick();
    if (may_spin) waits_.note(now_ns_ - began, spins_ != spins_before);
    ring_->deliver();
    mailbox_.run();
    timers_.run(now_ns_);
    publish_counters();
  }
  mailbox_.run();
}

void Shard::publish_counters() {
  const RingCounters& now = ring_->counters();
  published_.enters.store(now.enters, std::memory_order_relaxed);
  published_.submissions.store(now.submissions, std::memory_order_relaxed);
  published_.completions.store(now.completions, std::memory_order_relaxed);
  published_.buffers_exhausted.store(now.buffers_exhausted, std::memory_order_relaxed);
  published_.allocations.store(ringfence::thread_counts.allocations, std::memory_order_relaxed);
  published_.copied_bytes.store(ringfence::thread_counts.copied_bytes, std::memory_order_relaxed);
  published_.system_calls.store(ringfence::thread_counts.system_calls, std::memory_order_relaxed);
  published_.spins.store(spins_, std::memory_order_relaxed);
  published_.spins_hit.store(spins_hit_, std::memory_order_relaxed);
  published_.spun_ns.store(spun_ns_, std::memory_order_relaxed);
}

RingCounters Shard::counters() const {
  RingCounters out;
  out.enters = published_.enters.load(std::memory_order_relaxed);
  out.submissions = published_.submissions.load(std::memory_order_relaxed);
  out.completions = published_.completions.load(std::memory_order_relaxed);
  out.buffers_exhausted = published_.buffers_exhausted.load(std::memory_order_relaxed);
  out.spins = published_.spins.load(std::memory_order_relaxed);
  out.spins_hit = published_.spins_hit.load(std::memory_order_relaxed);
  out.spun_ns = published_.spun_ns.load(std::memory_order_relaxed);
  return out;
}

ThreadCounts Shard::thread_counts() const {
  ThreadCounts out;
  out.allocations = published_.allocations.load(std::memory_order_relaxed);
  out.copied_bytes = published_.copied_bytes.load(std::memory_order_relaxed);
  out.system_calls = published_.system_calls.load(std::memory_order_relaxed);
  return out;
}

}  // namespace ringfence::ring
