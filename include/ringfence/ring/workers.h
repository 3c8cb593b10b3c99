// A small pool of threads for what may block or burns CPU: key derivation, name look-ups, file IO. It holds
// no session's state; a result goes back to the asking shard by its mailbox.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ringfence/ring/shard.h"

namespace ringfence::ring {

class Workers {
 public:
  // `backlog_max`: jobs that wait beyond this many are refused.
  Workers(unsigned threads, size_t backlog_max);
  ~Workers();

  // From any thread. False when too many wait.
  bool post(Job job);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Job> jobs_;  // A ring of `backlog_max` places: posting allocates nothing.
  size_t first_ = 0;
  size_t waiting_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Runs `work` on a thread made for it, whose stack has so many bytes, and waits for its end. False, without
// having run it, when there is no such thread to be had.
bool run_on_large_stack(size_t stack_bytes, const std::function<void()>& work);

// `co_await` runs `work` on a worker and gives its value on this shard; nothing when the pool is full.
//
//   OnWorker<Keys> derive(workers, shard, [password, salt] { return make_keys(password, salt); });
//   std::optional<Keys> keys = co_await derive;
//
// The waiting coroutine is not destroyed before the result came back.
template <typename T>
class OnWorker {
 public:
  OnWorker(Workers& workers, Shard& shard, std::function<T()> work)
      : workers_(workers), shard_(shard), work_(std::move(work)) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    return workers_.post([this, waiter] {
      value_.emplace(work_());
      shard_.deliver([waiter] { waiter.resume(); });
    });
  }
  std::optional<T> await_resume() { return std::move(value_); }

 private:
  Workers& workers_;
  Shard& shard_;
  std::function<T()> work_;
  std::optional<T> value_;
};

}  // namespace ringfence::ring
