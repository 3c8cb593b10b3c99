// What waits for one subscriber, between the hub's thread and the shard's.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>

#include "ringfence/live/hub.h"

namespace ringfence::live {

struct Subscription::Inbox : std::enable_shared_from_this<Subscription::Inbox> {
  Inbox(ring::Shard& owner, Filter wanted, InboxLimits bounds, uint64_t first)
      : filter(std::move(wanted)), limits(bounds), first_batch(first), shard(&owner) {}

  const Filter filter;
  const InboxLimits limits;
  const uint64_t first_batch;  // Those with lower numbers were committed before it came.

  // Hub's thread. False: it found no room, and is part of a gap.
  bool put(const EventPtr& event);
  void put_gap(uint64_t left_out);
  // Hub's thread. False: the shard's mailbox is full; try again later.
  bool tell();

  // Shard's thread.
  std::vector<Item> take(size_t items_max);
  // Nothing reaches the shard from here on.
  void close();
  std::function<void()> on_news;

 private:
  void run_news();

  // Held for a few instructions, and for a post to a mailbox, which does not wait.
  std::mutex lock;
  ring::Shard* shard;  // Null: closed.
  std::deque<Item> items;
  size_t events = 0;
  size_t bytes = 0;
  bool is_told = false;  // From the post until take() has left nothing.
};

}  // namespace ringfence::live
