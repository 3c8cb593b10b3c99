// What the writer's thread shares with others: the wish that it ends, and what it says about itself.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "ringfence/audit/writer.h"

namespace ringfence::audit {

class WriterControl {
 public:
  explicit WriterControl(const WriterOptions& options) : options_(options) {}

  // --- The writer's thread.
  // True when it has to stop at once, whatever is not stored yet.
  bool is_ended() const;
  // True when it has to store what was published so far, then end.
  bool is_stopping();
  // Less when it is abandoned meanwhile.
  void pause(std::chrono::milliseconds time);
  void set_state(WriterState state, const std::string& reason);
  WriterState state() const;
  void finished();
  template <typename F>
  void update(F change) {
    std::lock_guard guard(status_lock_);
    change(status_);
  }
  // For whoever watches that the thread lives.
  void turn() { turns_.fetch_add(1, std::memory_order_relaxed); }
  void set_oldest(uint64_t ns) { oldest_ns_.store(ns, std::memory_order_relaxed); }

  // --- Other threads.
  // Returns when the writer has finished, or at the deadline.
  void stop(uint32_t deadline_ms);
  void abandon();
  WriterStatus status() const;

 private:
  const WriterOptions& options_;
  std::mutex lock_;
  std::condition_variable wake_;
  bool stop_requested_ = false;
  bool is_finished_ = false;
  std::atomic<bool> abandoned_{false};
  std::atomic<uint64_t> deadline_ns_{UINT64_MAX};
  mutable std::mutex status_lock_;
  WriterStatus status_;
  friend class StoreWait;
  std::atomic<uint64_t> oldest_ns_{0};
  std::atomic<uint64_t> turns_{0};
  std::atomic<int> store_waits_{0};
};

// Marks the time in which the writer's thread does what the store lets it do; may be nested.
class StoreWait {
 public:
  explicit StoreWait(WriterControl& control) : control_(control) { control_.store_waits_.fetch_add(1); }
  ~StoreWait() {
    control_.turn();
    control_.store_waits_.fetch_sub(1);
  }
  StoreWait(const StoreWait&) = delete;
  StoreWait& operator=(const StoreWait&) = delete;

 private:
  WriterControl& control_;
};

}  // namespace ringfence::audit
