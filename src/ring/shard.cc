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

namespace {
// All that other threads may read: each published counter, and the one that it is a copy of.
template <typename Published, typename OfRing, typename OfThread, typename Copy>
void for_each_counter(Published& published, OfRing& of_ring, OfThread& of_thread, Copy copy) {
  copy(published.enters, of_ring.enters);
  copy(published.submissions, of_ring.submissions);
  copy(published.completions, of_ring.completions);
  copy(published.buffers_exhausted, of_ring.buffers_exhausted);
  copy(published.spins, of_ring.spins);
  copy(published.spins_hit, of_ring.spins_hit);
  copy(published.spun_ns, of_ring.spun_ns);
  copy(published.allocations, of_thread.allocations);
  copy(published.copied_bytes, of_thread.copied_bytes);
  copy(published.system_calls, of_thread.system_calls);
}

void read(const std::atomic<uint64_t>& published, uint64_t& out) {
  out = published.load(std::memory_order_relaxed);
}
}  // namespace

void Shard::publish_counters() {
  RingCounters now = ring_->counters();
  now.spins = spins_;
  now.spins_hit = spins_hit_;
  now.spun_ns = spun_ns_;
  for_each_counter(published_, now, ringfence::thread_counts, [](auto& published, uint64_t value) {
    published.store(value, std::memory_order_relaxed);
  });
}

RingCounters Shard::counters() const {
  RingCounters out;
  ThreadCounts not_asked_for;
  for_each_counter(published_, out, not_asked_for, read);
  return out;
}

ThreadCounts Shard::thread_counts() const {
  ThreadCounts out;
  RingCounters not_asked_for;
  for_each_counter(published_, not_asked_for, out, read);
  return out;
}

}  // namespace ringfence::ring
