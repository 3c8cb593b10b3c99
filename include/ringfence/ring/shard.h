// One thread's loop: its ring, its timers, its mailbox. Everything that belongs to a shard runs on its
// thread.
//
// Each turn reads the clocks once, runs the mail, fires what is due, then submits and waits in one
// io_uring_enter.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "ringfence/base/result.h"
#include "ringfence/base/thread_counts.h"
#include "ringfence/ring/mailbox.h"
#include "ringfence/ring/ring.h"
#include "ringfence/ring/spin.h"
#include "ringfence/ring/timers.h"

namespace ringfence::ring {

struct ShardOptions {
  std::string name = "shard";  // The thread's name; at most 15 characters are shown.
  int cpu = -1;                // Pinned to this core; -1: not pinned.
  RingOptions ring;
  size_t mailbox_capacity = 4096;
  SpareCores* spare_cores =
      nullptr;  // Outlives the shard; null: it sleeps at once when there is nothing to do.
};

class Shard {
 public:
  explicit Shard(ShardOptions options);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Starts the thread; returns when its ring is up, or with what the kernel lacks.
  Result<void> start();
  // From any thread: the loop ends after the current turn. Then join().
  void stop();
  void join();

  // From any thread. False when the mailbox is full.
  bool post(Job job) { return mailbox_.post(std::move(job)); }
  // From any thread: what must not be lost. Always taken; see Mailbox::deliver().
  void deliver(Job job) { mailbox_.deliver(std::move(job)); }

  // On the shard's thread only.
  Ring& ring() { return *ring_; }
  Timers& timers() { return timers_; }
  // As of the beginning of this turn.
  uint64_t now_ns() const { return now_ns_; }
  uint64_t now_us() const { return wall_us_; }

  // For tests, on a shard that was not started: one turn at this time, without the ring.
  void turn_at(uint64_t now_ns);

  // From any thread, of a moment ago.
  RingCounters counters() const;
  ThreadCounts thread_counts() const;
  uint64_t wakes() const { return mailbox_.wakes(); }

 private:
  struct Wake;
  void run();
  void tick();
  uint64_t time_to_wait() const;
  bool look_around(uint64_t wait_ns);
  void publish_counters();

  ShardOptions options_;
  Mailbox mailbox_;
  Timers timers_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<Wake> wake_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  uint64_t now_ns_ = 0;
  uint64_t wall_us_ = 0;
  SpinHistory waits_;
  uint64_t spins_ = 0;
  uint64_t spins_hit_ = 0;
  uint64_t spun_ns_ = 0;
  struct {
    std::atomic<uint64_t> enters{0};
    std::atomic<uint64_t> submissions{0};
    std::atomic<uint64_t> completions{0};
    std::atomic<uint64_t> buffers_exhausted{0};
    std::atomic<uint64_t> allocations{0};
    std::atomic<uint64_t> copied_bytes{0};
    std::atomic<uint64_t> system_calls{0};
    std::atomic<uint64_t> spins{0};
    std::atomic<uint64_t> spins_hit{0};
    std::atomic<uint64_t> spun_ns{0};
  } published_;
};

}  // namespace ringfence::ring
