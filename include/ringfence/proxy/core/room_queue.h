// Sessions that wait for room in the trail. Of the shard's thread.
#pragma once

#include <list>

#include "ringfence/ring/shard.h"
#include "ringfence/ring/task.h"

namespace ringfence::proxy {

class RoomQueue {
 public:
  explicit RoomQueue(ring::Shard& shard) : shard_(shard) {}
  RoomQueue(const RoomQueue&) = delete;
  RoomQueue& operator=(const RoomQueue&) = delete;

  // False when no room came within trail_wait_ms.
  ring::Task<bool> wait();
  // There is room: all who wait go on.
  void open();

 private:
  struct Waiter {
    ring::Event event;
    bool has_room = false;
  };

  ring::Shard& shard_;
  std::list<Waiter*> waiters_;
};

}  // namespace ringfence::proxy
