// A question to somebody who answers by calling a function, as something to await, with a deadline. All that
// wait are in a list, by which they end before their time.
//
//   Ask<bool> ask(asks, shard, ms);
//   directory.end(id, by, ask.done());
//   std::optional<bool> found = co_await ask;   // Nothing: no answer in time.
#pragma once

#include <coroutine>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "ringfence/ring/shard.h"

namespace ringfence::admin {

class PendingAsk {
 public:
  // With what it has been told so far, which may be nothing.
  virtual void go_on() = 0;

 protected:
  ~PendingAsk() = default;
};

// Outlives those that wait.
class Asks {
 public:
  // Those that wait go on, and from here on nobody waits.
  void end() {
    has_ended_ = true;
    // Who goes on leaves the list.
    while (!waiting_.empty()) waiting_.front()->go_on();
  }

 private:
  template <typename T>
  friend class Ask;
  std::list<PendingAsk*> waiting_;
  bool has_ended_ = false;
};

template <typename T>
class Ask final : public PendingAsk {
 public:
  Ask(Asks& asks, ring::Shard& shard, uint64_t answer_ms)
      : asks_(asks),
        shard_(shard),
        answer_ms_(answer_ms),
        state_(std::make_shared<State>()),
        timer_(shard.timers(), [this] { go_on(); }) {
    state_->asker = this;
  }
  ~Ask() { state_->asker = nullptr; }
  Ask(const Ask&) = delete;
  Ask& operator=(const Ask&) = delete;

  // An answer that comes after the deadline goes nowhere: it shares only a small state with the one who
  // asked.
  std::function<void(T)> done() {
    return [state = state_](T value) {
      if (state->asker == nullptr || state->value) return;
      state->value.emplace(std::move(value));
      state->asker->go_on();
    };
  }

  bool await_ready() const noexcept { return state_->value.has_value() || asks_.has_ended_; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    place_ = asks_.waiting_.insert(asks_.waiting_.end(), this);
    timer_.arm(shard_.now_ns() + answer_ms_ * 1'000'000);
  }
  std::optional<T> await_resume() {
    state_->asker = nullptr;
    return std::move(state_->value);
  }
  void go_on() override {
    timer_.cancel();
    auto waiter = std::exchange(waiter_, nullptr);
    if (!waiter) return;
    asks_.waiting_.erase(place_);
    waiter.resume();
  }

 private:
  struct State {
    std::optional<T> value;
    Ask* asker = nullptr;
  };

  Asks& asks_;
  ring::Shard& shard_;
  uint64_t answer_ms_;
  std::shared_ptr<State> state_;
  std::coroutine_handle<> waiter_;
  std::list<PendingAsk*>::iterator place_;
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::admin
