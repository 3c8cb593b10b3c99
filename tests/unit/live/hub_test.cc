#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "rows.h"

using namespace ringfence;
using namespace ringfence::live;

namespace {

// A shard whose turns are this test's thread.
struct Here {
  explicit Here(size_t mailbox = 4096) : shard(options(mailbox)) {}
  static ring::ShardOptions options(size_t mailbox) {
    ring::ShardOptions out;
    out.mailbox_capacity = mailbox;
    return out;
  }
  // Turns until it is so; false when that takes too long.
  template <typename F>
  bool until(F is_so) {
    for (int i = 0; i < 20'000; ++i) {
      shard.turn_at(1);
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  ring::Shard shard;
};

// Keeps what it is given.
struct Watching {
  Watching(Hub& hub, ring::Shard& shard, Filter filter = {}, InboxLimits limits = {}) {
    subscription = hub.subscribe(
        shard, std::move(filter),
        [this] {
          ++calls;
          if (takes) take();
        },
        limits);
  }
  void take() {
    for (;;) {
      std::vector<Item> some = subscription->take(3);
      if (some.empty()) return;
      for (Item& item : some) {
        if (item.event) numbers.push_back(item.event->view().chain_no);
        else left_out += item.left_out;
        items.push_back(std::move(item));
      }
    }
  }
  std::unique_ptr<Subscription> subscription;
  std::vector<uint64_t> numbers;
  std::vector<Item> items;
  uint64_t left_out = 0;
  int calls = 0;
  bool takes = true;
};

std::vector<audit::EventBuilder> many(size_t count, const std::string& user = "ana") {
  return std::vector<audit::EventBuilder>(count, event("statement", user));
}

}  // namespace

TEST_CASE("each subscriber gets what matches, in order, once, from when it came on") {
  Hub hub;
  Here here;
  Trail writer(hub);
  writer.commit(many(3));
  Filter bob;
  bob.users = {"bob"};
  Watching all(hub, here.shard), bobs(hub, here.shard, bob);
  writer.commit({event("a", "ana"), event("b", "bob"), event("c", "ana")});
  Watching late(hub, here.shard);
  writer.commit({event("d", "bob")});
  CHECK(here.until(
      [&] { return all.numbers.size() == 4 && bobs.numbers.size() == 2 && !late.numbers.empty(); }));
  CHECK(all.numbers == std::vector<uint64_t>{4, 5, 6, 7});
  CHECK(bobs.numbers == std::vector<uint64_t>{5, 7});
  CHECK(late.numbers == std::vector<uint64_t>{7});
  CHECK(all.items[1].event->view().action == "b");
  CHECK(all.items[1].event == bobs.items[0].event);
  CHECK(all.left_out == 0);
  CHECK(hub.counters().subscribers == 3);
  CHECK(hub.counters().delivered == 7);
}

TEST_CASE("a subscriber that does not take has a bounded inbox, is told the gap, and slows nobody") {
  Hub hub;
  Here here;
  Trail writer(hub);
  InboxLimits small;
  small.events_max = 5;
  Watching slow(hub, here.shard, {}, small), quick(hub, here.shard);
  slow.takes = false;
  for (int i = 0; i < 4; ++i) writer.commit(many(3));
  REQUIRE(here.until([&] { return quick.numbers.size() == 12; }));
  CHECK(slow.calls == 1);
  slow.take();
  // Five, then a gap in the place of the others.
  REQUIRE(slow.items.size() == 6);
  CHECK(slow.numbers == std::vector<uint64_t>{1, 2, 3, 4, 5});
  CHECK_FALSE(slow.items[5].event);
  CHECK(slow.items[5].left_out == 7);
  CHECK(hub.counters().left_out_inboxes == 7);
  // It goes on behind the gap, and is told anew.
  writer.commit(many(1));
  REQUIRE(here.until([&] { return slow.calls == 2; }));
  slow.take();
  CHECK(slow.numbers.back() == 13);
  CHECK(slow.left_out == 7);
  CHECK(quick.left_out == 0);
}

TEST_CASE("an inbox is bounded in bytes, but takes one event of any size") {
  Hub hub;
  Here here;
  Trail writer(hub);
  InboxLimits small;
  small.bytes_max = 2'000;
  Watching slow(hub, here.shard, {}, small);
  slow.takes = false;
  writer.commit({event("large").text(audit::Tag::statement, std::string(50'000, 'x')), event("small")});
  REQUIRE(here.until([&] { return hub.counters().left_out_inboxes == 1; }));
  slow.take();
  CHECK(slow.numbers == std::vector<uint64_t>{1});
  CHECK(slow.left_out == 1);
}

TEST_CASE("batches that find the queue full are a gap for everybody, and the writer goes on") {
  HubOptions none;
  none.queue_batches_max = 0;
  Hub hub(none);
  Here here;
  Trail writer(hub);
  Watching all(hub, here.shard);
  for (int i = 0; i < 100; ++i) writer.commit(many(3));
  CHECK(here.until([&] { return all.left_out == 300; }));
  CHECK(all.numbers.empty());
  CHECK(hub.counters().left_out_queue == 300);
  HubOptions bytes;
  bytes.queue_bytes_max = 500;
  Hub tight(bytes);
  Trail other(tight);
  Watching some(tight, here.shard);
  other.commit({event("large").text(audit::Tag::statement, std::string(1'000, 'x'))});
  other.commit({event("small")});
  CHECK(here.until([&] { return some.numbers.size() == 1; }));
  CHECK(some.left_out == 1);
  CHECK_FALSE(some.items[0].event);
}

TEST_CASE("a mailbox that is full is tried again") {
  Hub hub;
  Here here(2);
  Trail writer(hub);
  Watching all(hub, here.shard);
  CHECK(here.shard.post([] {}));
  CHECK(here.shard.post([] {}));
  writer.commit(many(1));
  while (hub.counters().delivered == 0) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(all.calls == 0);
  CHECK(here.until([&] { return all.numbers.size() == 1; }));
}

TEST_CASE("who unsubscribes is not called any more, also from within and with news under way") {
  Hub hub;
  Here here;
  Trail writer(hub);
  int calls = 0;
  std::unique_ptr<Subscription> own;
  own = hub.subscribe(here.shard, {}, [&] {
    ++calls;
    own.reset();
  });
  Watching other(hub, here.shard);
  auto gone = std::make_unique<Watching>(hub, here.shard);
  writer.commit(many(2));
  // Its job waits in the mailbox.
  while (hub.counters().delivered < 6) std::this_thread::yield();
  gone.reset();
  CHECK(here.until([&] { return other.numbers.size() == 2; }));
  CHECK(calls == 1);
  writer.commit(many(1));
  CHECK(here.until([&] { return other.numbers.size() == 3; }));
  CHECK(calls == 1);
  CHECK(hub.counters().subscribers == 1);
}

TEST_CASE("a subscription may outlive the hub") {
  Here here;
  auto hub = std::make_unique<Hub>();
  Watching all(*hub, here.shard);
  hub.reset();
  here.shard.turn_at(1);
  CHECK(all.subscription->take(10).empty());
}

// A writer, the hub, and two shards on which subscribers come and go. What each has got, with its gaps,
// accounts for each event from its first one on.
TEST_CASE("nothing is lost or told twice while subscribers come and go on several threads") {
  constexpr int batches = 400;
  Hub hub;
  struct Side {
    Here here;
    std::vector<std::unique_ptr<Watching>> watching;
    bool is_right = true;
    uint64_t seen = 0;
  };
  Side sides[2];
  std::atomic<bool> is_over{false};
  auto check = [](Side& side, Watching& one) {
    uint64_t expected = 0;
    for (const Item& item : one.items) {
      if (!item.event) {
        if (expected > 0) expected += item.left_out;
        continue;
      }
      const uint64_t number = item.event->view().chain_no;
      if (expected > 0 && number != expected) side.is_right = false;
      expected = number + 1;
      ++side.seen;
    }
  };
  auto run = [&](Side& side) {
    InboxLimits small;
    small.events_max = 20;
    unsigned turn = 0;
    while (!is_over) {
      if (side.watching.size() < 8)
        side.watching.push_back(std::make_unique<Watching>(hub, side.here.shard, Filter{}, small));
      if (++turn % 3 == 0) {
        check(side, *side.watching.front());
        side.watching.erase(side.watching.begin());
      }
      for (auto& one : side.watching) one->takes = turn % 4 != 0;
      side.here.shard.turn_at(turn);
      for (auto& one : side.watching) one->take();
      std::this_thread::yield();
    }
    for (auto& one : side.watching) {
      one->take();
      check(side, *one);
    }
    side.watching.clear();
  };
  std::thread first([&] { run(sides[0]); }), second([&] { run(sides[1]); });
  Trail writer(hub);
  for (int i = 0; i < batches; ++i) {
    writer.commit(many(1 + static_cast<size_t>(i % 40)));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  is_over = true;
  first.join();
  second.join();
  for (Side& side : sides) {
    CHECK(side.is_right);
    CHECK(side.seen > 0);
    side.here.shard.turn_at(1'000'000);
  }
}
