// Committed events on their way to those who watch them.
//
// The trail's writer gives each batch to the hub, which never makes it wait: a copy goes into a queue with a
// bound, and into none while nobody watches. The hub's thread looks for what matches each subscriber's filter
// and puts it into an inbox with a bound. A subscriber belongs to a shard, is told by its mailbox and takes
// what is there on its thread. It gets what was committed after it came, in the order of the chain, each
// event once; what found no room, in the queue or in its inbox, is counted and told in its place as a gap. So
// nobody's slowness holds up the writer or another subscriber.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ringfence/audit/writer.h"
#include "ringfence/live/event.h"
#include "ringfence/ring/shard.h"

namespace ringfence::live {

struct Item {
  EventPtr event;  // Null: a gap.
  uint64_t left_out =
      0;  // Of a gap: so many events, or fewer where the filter would not have wanted them all.
};

struct InboxLimits {
  size_t events_max = 1'000;
  size_t bytes_max = 1 << 20;  // One event is taken whatever its size.
};

struct HubOptions {
  size_t queue_batches_max = 64;
  size_t queue_bytes_max = 16 << 20;
};

struct HubCounters {
  uint64_t subscribers = 0;
  uint64_t delivered = 0;         // Put into an inbox; an event counts once for each.
  uint64_t left_out_queue = 0;    // Events of batches that found the queue full.
  uint64_t left_out_inboxes = 0;  // Events that found their subscriber's inbox full.
};

// Made by Hub::subscribe; used and destroyed on its shard's thread, before the shard. May outlive the hub:
// then nothing comes any more.
class Subscription {
 public:
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // At most so many, the oldest first. Empty: on_news is called when there is something again.
  std::vector<Item> take(size_t items_max);

 private:
  friend class Hub;
  struct Inbox;
  explicit Subscription(std::shared_ptr<Inbox> inbox);
  std::shared_ptr<Inbox> inbox_;
};

class Hub {
 public:
  explicit Hub(HubOptions options = {});
  // Ends the thread. Nobody calls committed() any more.
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // On the writer's thread: TrailOptions::on_committed.
  void committed(const audit::CommittedBatch& batch);
  // On `shard`'s thread, which is the one that `on_news` is called on: once when something comes and take()
  // has left nothing. It may destroy the subscription.
  std::unique_ptr<Subscription> subscribe(ring::Shard& shard, Filter filter, std::function<void()> on_news,
                                          InboxLimits limits = {});
  HubCounters counters() const;

 private:
  struct State;
  struct Batch;
  std::shared_ptr<State> state_;
};

}  // namespace ringfence::live
