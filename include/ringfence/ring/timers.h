// Deadlines of one thread: a binary heap that knows where each timer stands, so cancelling costs no search
// and nothing is allocated but the heap's own growth. Reads no clock: whoever drives it says what time it is.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace ringfence::ring {

class Timers;

// Fires at most once for each arm(). Cancelled by its destructor.
class Timer {
 public:
  explicit Timer(Timers& timers) : timers_(timers) {}
  virtual ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces an earlier due time.
  void arm(uint64_t due_ns);
  void cancel();
  bool is_armed() const { return slot_ != unarmed; }

 protected:
  virtual void fire() = 0;

 private:
  friend class Timers;
  static constexpr size_t unarmed = ~size_t{0};
  Timers& timers_;
  uint64_t due_ns_ = 0;
  size_t slot_ = unarmed;
};

// A timer that calls a function.
class CallbackTimer final : public Timer {
 public:
  CallbackTimer(Timers& timers, std::function<void()> callback)
      : Timer(timers), callback_(std::move(callback)) {}

 protected:
  void fire() override { callback_(); }

 private:
  std::function<void()> callback_;
};

class Timers {
 public:
  static constexpr uint64_t never = ~uint64_t{0};

  // When the earliest timer is due, or never.
  uint64_t next_due_ns() const { return heap_.empty() ? never : heap_.front()->due_ns_; }
  // Fires all that is due. A timer that arms itself again for a time not after `now_ns` fires in the next
  // call.
  void run(uint64_t now_ns);
  size_t size() const { return heap_.size(); }

 private:
  friend class Timer;
  void insert(Timer& timer);
  void remove(Timer& timer);
  void sift_up(size_t slot);
  void sift_down(size_t slot);
  void place(size_t slot, Timer* timer) {
    heap_[slot] = timer;
    timer->slot_ = slot;
  }
  std::vector<Timer*> heap_;
  uint64_t run_until_ns_ = 0;  // While run() fires: what is armed for no later waits for the next call.
};

}  // namespace ringfence::ring
