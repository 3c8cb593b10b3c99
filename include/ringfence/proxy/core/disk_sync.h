// Statements that wait until their start records are on the disk (audit.durability: disk).
//
// One sync serves all that a turn of the loop brought; those that come while it runs are served by the next.
// Waiters are in lists through themselves, for there is one for each statement. Of the shard's thread.
#pragma once

#include <coroutine>
#include <functional>

#include "ringfence/base/result.h"
#include "ringfence/proxy/core/counters.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

class DurableWait;

class DiskSync {
 public:
  // `sync` makes all that the shard has published survive a power cut; it is called on a worker. Empty: a
  // record counts as soon as it is published, and nobody waits.
  DiskSync(ring::Shard& shard, ring::Workers& workers, std::function<Result<void>()> sync,
           ShardCounters& counters)
      : shard_(shard), workers_(workers), sync_(std::move(sync)), counters_(counters) {}
  DiskSync(const DiskSync&) = delete;
  DiskSync& operator=(const DiskSync&) = delete;

  bool is_needed() const { return sync_ != nullptr; }

 private:
  friend class DurableWait;
  struct Waiters {
    DurableWait* first = nullptr;
    DurableWait* last = nullptr;
  };
  void add(DurableWait& waiter);
  void start();
  void finish(bool is_durable);

  ring::Shard& shard_;
  ring::Workers& workers_;
  const std::function<Result<void>()> sync_;
  ShardCounters& counters_;
  Waiters waiting_;
  Waiters served_;  // By the sync that runs.
  bool is_running_ = false;
};

// `co_await` until all that the shard has published is on the disk; false when the disk refuses. Only where
// is_needed().
class DurableWait {
 public:
  explicit DurableWait(DiskSync& sync) : sync_(sync) {}
  DurableWait(const DurableWait&) = delete;
  DurableWait& operator=(const DurableWait&) = delete;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine);
  bool await_resume() const noexcept { return is_durable_; }

 private:
  friend class DiskSync;
  DiskSync& sync_;
  std::coroutine_handle<> coroutine_;
  DurableWait* next_ = nullptr;
  bool is_durable_ = false;
  bool is_over_ = false;
};

}  // namespace ringfence::proxy
