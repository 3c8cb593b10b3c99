#include "ringfence/proxy/core/disk_sync.h"

#include <utility>

namespace ringfence::proxy {

bool DurableWait::await_suspend(std::coroutine_handle<> coroutine) {
  sync_.add(*this);
  if (is_over_) return false;  // Neither our mailbox nor a worker had room.
  coroutine_ = coroutine;
  return true;
}

void DiskSync::add(DurableWait& waiter) {
  if (waiting_.first == nullptr) waiting_.first = &waiter;
  else waiting_.last->next_ = &waiter;
  waiting_.last = &waiter;
  if (is_running_) return;
  is_running_ = true;
  // By our own mailbox: it is run when all of this turn's completions were delivered.
  if (!shard_.post([this] { start(); })) start();
}

void DiskSync::start() {
  served_ = std::exchange(waiting_, {});
  bool is_posted = workers_.post([this] {
    bool is_durable = sync_().has_value();
    shard_.deliver([this, is_durable] { finish(is_durable); });
  });
  if (!is_posted) finish(false);
}

void DiskSync::finish(bool is_durable) {
  counters_.trail_syncs.add();
  Waiters served = std::exchange(served_, {});
  for (DurableWait* waiter = served.first; waiter != nullptr;) {
    DurableWait* next = waiter->next_;  // The waiter goes when its coroutine goes on.
    waiter->is_durable_ = is_durable;
    waiter->is_over_ = true;
    if (waiter->coroutine_) waiter->coroutine_.resume();
    waiter = next;
  }
  if (waiting_.first == nullptr) is_running_ = false;
  else start();
}

}  // namespace ringfence::proxy
