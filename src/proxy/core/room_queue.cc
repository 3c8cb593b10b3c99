#include "ringfence/proxy/core/room_queue.h"

#include <algorithm>

#include "ringfence/proxy/core/bounds.h"
#include "ringfence/ring/timers.h"

namespace ringfence::proxy {

ring::Task<bool> RoomQueue::wait() {
  Waiter waiter;
  auto place = waiters_.insert(waiters_.end(), &waiter);
  ring::CallbackTimer timer(shard_.timers(), [&waiter] { waiter.event.set(); });
  timer.arm(shard_.now_ns() + trail_wait_ms * 1'000'000);
  co_await waiter.event;
  waiters_.erase(place);
  co_return waiter.has_room;
}

void RoomQueue::open() {
  const std::list<Waiter*> waiting = waiters_;
  for (Waiter* waiter : waiting) {
    // A waiter that was resumed may have let another go.
    if (std::find(waiters_.begin(), waiters_.end(), waiter) == waiters_.end()) continue;
    waiter->has_room = true;
    waiter->event.set();
  }
}

}  // namespace ringfence::proxy
