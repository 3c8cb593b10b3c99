// Task<T>: a lazy coroutine that one awaiter runs to its end.
//
// `co_await task` starts the child inline and resumes the parent inline when it ends: no scheduler, no
// symmetric transfer (which overflows the stack where tail calls are not made, as under ASan). Stack depth is
// bounded by the depth of the call chain. A Task is never destroyed while its coroutine is suspended on an
// operation: cancel by shutting the stream down and let the coroutine return.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "ringfence/base/result.h"

namespace ringfence::ring {

template <typename T>
class Task;

inline void spawn(Task<void> task);

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;  // Of a spawned task: itself.

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> self) const noexcept {
      // The parent may destroy this frame while it runs: nothing of the frame is touched afterwards.
      auto parent = self.promise().continuation;
      if (parent == self) self.destroy();  // Spawned.
      else if (parent) parent.resume();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  // Nothing of ours throws; what a library throws across a coroutine is our mistake.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = parent;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  friend void spawn(Task<void> task);
  Handle handle_;
};

template <typename T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// Starts a task that nobody awaits; it frees itself when it ends.
inline void spawn(Task<void> task) {
  auto handle = std::exchange(task.handle_, nullptr);
  handle.promise().continuation = handle;
  handle.resume();
}

// A place where one coroutine waits until another says go. Reusable; a signal without a waiter is kept.
class Event {
 public:
  void set() {
    set_ = true;
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
  }
  bool await_ready() const noexcept { return set_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() noexcept { set_ = false; }

 private:
  std::coroutine_handle<> waiter_;
  bool set_ = false;
};

}  // namespace ringfence::ring
