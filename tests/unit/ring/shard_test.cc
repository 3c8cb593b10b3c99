#include "ringfence/ring/shard.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "ringfence/ring/mailbox.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/workers.h"

using namespace ringfence;
using namespace ringfence::ring;

TEST_CASE("bytes that are moved out of a buffer are counted for the thread that moves them") {
  struct Owner final : ChunkOwner {
    void release(uint32_t) override { ++released; }
    int released = 0;
  } owner;
  const uint64_t before = thread_counts.copied_bytes;
  Chunk chunk("twelve bytes", &owner, 1);
  chunk.detach();
  chunk.detach();  // They are its own already.
  CHECK(owner.released == 1);
  CHECK(chunk.bytes() == "twelve bytes");
  CHECK(thread_counts.copied_bytes == before + 12);
  uint64_t elsewhere = 1;
  std::thread([&] { elsewhere = thread_counts.copied_bytes; }).join();
  CHECK(elsewhere == 0);
}

TEST_CASE("a full mailbox refuses, and takes again when something was run") {
  Mailbox mailbox(4);
  int ran = 0;
  for (int i = 0; i < 4; ++i) CHECK(mailbox.post([&] { ++ran; }));
  CHECK_FALSE(mailbox.post([&] { ran += 100; }));
  CHECK(mailbox.run() == 4);
  CHECK(ran == 4);
  CHECK(mailbox.post([&] { ++ran; }));
  CHECK(mailbox.run() == 1);
}

TEST_CASE(
    "a job keeps what it captured, a little or much, however often it is moved, and lets go of it once it "
    "ran") {
  auto owned = std::make_shared<int>(0);
  uint64_t many[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint64_t sum = 0;
  std::vector<Job> jobs;
  jobs.emplace_back([owned, &sum] { sum += 100; });
  jobs.emplace_back([many, &sum] { sum += many[0] + many[7]; });
  jobs.emplace_back([&sum, n = uint64_t{10}] { sum += n; });
  for (int i = 0; i < 20; ++i) jobs.emplace_back([&sum] { sum += 1'000; });  // The vector moves them.
  CHECK(owned.use_count() == 2);
  for (Job& job : jobs) {
    Job moved = std::move(job);
    CHECK_FALSE(job);
    CHECK(moved);
    moved();
    CHECK_FALSE(moved);
  }
  CHECK(sum == 100 + 9 + 10 + 20'000);
  CHECK(owned.use_count() == 1);
  Job replaced([owned] {});
  replaced = Job([&sum] { sum = 0; });
  CHECK(owned.use_count() == 1);
  replaced();
  CHECK(sum == 0);
}

TEST_CASE(
    "workers run what waits in order, refuse more than their bound, and take again what there is room for") {
  std::promise<void> go;
  auto gone = go.get_future().share();
  std::vector<int> ran;  // The worker's, until it has ended.
  {
    Workers workers(1, 3);
    std::promise<void> busy;
    REQUIRE(workers.post([&] {
      busy.set_value();
      gone.wait();
    }));
    busy.get_future().wait();
    for (int i = 0; i < 3; ++i) CHECK(workers.post([&ran, i] { ran.push_back(i); }));
    CHECK_FALSE(workers.post([&ran] { ran.push_back(-1); }));
    go.set_value();
    for (int i = 3; i < 100; ++i) {
      while (!workers.post([&ran, i] { ran.push_back(i); })) std::this_thread::yield();
    }
  }
  REQUIRE(ran.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(ran[static_cast<size_t>(i)] == i);
}

namespace {

// Sleeps as a shard does while there is nothing. False: a wake-up was lost, which shows as a time-out.
template <typename F>
bool run_until(Mailbox& mailbox, F is_done) {
  while (!is_done()) {
    if (mailbox.may_sleep()) {
      pollfd waiting{mailbox.wake_fd(), POLLIN, 0};
      if (::poll(&waiting, 1, 20'000) != 1) return false;
      uint64_t value;
      CHECK(::read(mailbox.wake_fd(), &value, sizeof value) == sizeof value);
    }
    mailbox.woke();
    mailbox.run();
  }
  return true;
}

}  // namespace

TEST_CASE("posts of several threads all run once, each thread's in order, and none is slept through") {
  constexpr int threads = 3;
  constexpr int each = 20'000;
  Mailbox mailbox(64);
  std::vector<int> last(threads, -1);
  int ran = 0;
  bool in_order = true;
  std::vector<std::thread> producers;
  for (int t = 0; t < threads; ++t) {
    producers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        auto job = [&, t, i] {
          in_order = in_order && last[static_cast<size_t>(t)] == i - 1;
          last[static_cast<size_t>(t)] = i;
          ++ran;
        };
        while (!mailbox.post(job)) std::this_thread::yield();
      }
    });
  }
  const bool slept_through = !run_until(mailbox, [&] { return ran == threads * each; });
  for (std::thread& producer : producers) producer.join();
  mailbox.run();
  CHECK_FALSE(slept_through);
  CHECK(ran == threads * each);
  CHECK(in_order);
}

TEST_CASE("what was given away comes back to a full mailbox, in each thread's order, and wakes who sleeps") {
  constexpr int threads = 3;
  constexpr int each = 20'000;
  Mailbox mailbox(2);
  int posted = 0;
  for (int i = 0; i < 2; ++i) REQUIRE(mailbox.post([&] { ++posted; }));
  std::vector<int> last(threads, -1);
  int ran = 0;
  bool in_order = true;
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        mailbox.deliver([&, t, i] {
          in_order = in_order && last[static_cast<size_t>(t)] == i - 1;
          last[static_cast<size_t>(t)] = i;
          ++ran;
        });
      }
    });
  }
  const bool slept_through = !run_until(mailbox, [&] { return ran == threads * each; });
  for (std::thread& worker : workers) worker.join();
  CHECK_FALSE(slept_through);
  CHECK(posted == 2);
  CHECK(ran == threads * each);
  CHECK(in_order);
}

TEST_CASE("what comes back to a mailbox that nobody reads any more is let go of") {
  auto owned = std::make_shared<int>(0);
  {
    Mailbox mailbox(2);
    for (int i = 0; i < 100; ++i) mailbox.deliver([owned] { FAIL("it has run"); });
    CHECK(owned.use_count() == 101);
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("a shard runs what is posted from any thread, fires timers, and stops") {
  ShardOptions options;
  options.ring.buffers = 4;
  options.ring.entries = 16;
  Shard shard(options);
  REQUIRE(shard.start().has_value());
  int ran = 0;  // The shard's alone until it has stopped.
  std::vector<std::thread> posters;
  for (int t = 0; t < 3; ++t) {
    posters.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        while (!shard.post([&] { ++ran; })) std::this_thread::yield();
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  std::promise<uint64_t> fired;
  std::unique_ptr<CallbackTimer> timer;
  shard.post([&] {
    uint64_t began = shard.now_ns();
    timer = std::make_unique<CallbackTimer>(shard.timers(),
                                            [&, began] { fired.set_value(shard.now_ns() - began); });
    timer->arm(began + 20'000'000);
  });
  CHECK(fired.get_future().get() >= 20'000'000);
  shard.post([&] { timer.reset(); });
  shard.stop();
  shard.join();
  CHECK(ran == 3000);
}

namespace {
Task<void> ask(Workers* workers, Shard* shard, std::promise<int>* answer) {
  OnWorker<int> work(*workers, *shard, [] { return 42; });
  std::optional<int> value = co_await work;
  answer->set_value(value.value_or(-1));
}
}  // namespace

TEST_CASE("work on a worker comes back to the shard that asked, and a full pool says so") {
  ShardOptions options;
  options.ring.buffers = 4;
  options.ring.entries = 16;
  Shard shard(options);
  REQUIRE(shard.start().has_value());
  {
    Workers workers(2, 8);
    std::promise<int> answer;
    shard.post([&] { spawn(ask(&workers, &shard, &answer)); });
    CHECK(answer.get_future().get() == 42);
  }
  Workers none(0, 0);
  std::promise<int> refused;
  shard.post([&] { spawn(ask(&none, &shard, &refused)); });
  CHECK(refused.get_future().get() == -1);
  shard.stop();
  shard.join();
}
