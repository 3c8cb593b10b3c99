// A question to somebody who answers by calling a function, as something to await, with a deadline.
//
//   Ask<bool> ask(shard, ms);
//   directory.end(id, by, ask.done());
//   std::optional<bool> found = co_await ask;   // Nothing: no answer in time.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>

#include "ringfence/ring/shard.h"

namespace ringfence::admin {

template <typename T>
class Ask {
 public:
  Ask(ring::Shard& shard, uint64_t answer_ms)
      : shard_(shard), answer_ms_(answer_ms), state_(std::make_shared<State>()), timer_(shard.timers(), [this] { finish(); }) {
    state_->asker = this;
  }
  ~Ask() { state_->asker = nullptr; }
  Ask(const Ask&) = delete;
  Ask& operator=(const Ask&) = delete;

  // An answer that comes after the deadline goes nowhere: it shares only a small state with the one who asked.
  std::function<void(T)> done() {
    return [state = state_](T value) {
      if (state->asker == nullptr || state->value) return;
      state->value.emplace(std::move(value));
      state->asker->finish();
    };
  }

  bool await_ready() const noexcept { return state_->value.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    timer_.arm(shard_.now_ns() + answer_ms_ * 1'000'000);
  }
  std::optional<T> await_resume() {
    state_->asker = nullptr;
    return std::move(state_->value);
  }

 private:
  struct State {
    std::optional<T> value;
    Ask* asker = nullptr;
  };
  void finish() {
    timer_.cancel();
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
  }

  ring::Shard& shard_;
  uint64_t answer_ms_;
  std::shared_ptr<State> state_;
  std::coroutine_handle<> waiter_;
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::admin
