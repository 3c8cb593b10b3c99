// How threads talk: jobs that any thread posts and one thread runs, in order, in a bounded lock-free queue.
// Everything a job needs crosses inside it, by value. The wake is an eventfd, written only when the receiver
// may be asleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace ringfence::ring {

// A function that is run once; owns what it captured. One that captured a few pointers and numbers is kept
// inside: a shard may post such a job for every statement.
class Job {
 public:
  Job() = default;
  template <typename F>
  Job(F function) {
    if constexpr (is_small<F>) {
      new (room_) F(function);
      run_small_ = [](void* room) { (*std::launder(static_cast<F*>(room)))(); };
    } else {
      body_ = std::make_unique<Body<F>>(std::move(function));
    }
  }
  Job(Job&& other) noexcept { *this = std::move(other); }
  Job& operator=(Job&& other) noexcept {
    run_small_ = std::exchange(other.run_small_, nullptr);
    body_ = std::move(other.body_);
    std::memcpy(room_, other.room_, sizeof room_);
    return *this;
  }
  void operator()() {
    if (auto run_small = std::exchange(run_small_, nullptr)) {
      run_small(room_);
      return;
    }
    auto body = std::move(body_);
    body->run();
  }
  explicit operator bool() const { return run_small_ != nullptr || body_ != nullptr; }

 private:
  static constexpr size_t room_bytes = 3 * sizeof(void*);
  // Such functions are moved as bytes, and nothing has to be destroyed.
  template <typename F>
  static constexpr bool is_small = sizeof(F) <= room_bytes && alignof(F) <= alignof(void*) &&
                                   std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F>;
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <typename F>
  struct Body final : Base {
    explicit Body(F f) : function(std::move(f)) {}
    void run() override { function(); }
    F function;
  };
  alignas(void*) unsigned char room_[room_bytes] = {};
  void (*run_small_)(void* room) = nullptr;
  std::unique_ptr<Base> body_;
};

class Mailbox {
 public:
  // `capacity` is a power of two.
  explicit Mailbox(size_t capacity);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  ~Mailbox();
  // From any thread. False when the mailbox is full: the job was not taken and has not run.
  bool post(Job job);
  // From any thread: what must not be lost, a result or an order. It is always taken, so that nobody waits in
  // a loop for a full mailbox. Only for jobs whose number is bounded elsewhere: results, of which there are
  // as many as the receiver gave work away, questions of the admin API, and what a reload or a stop wants. In
  // the order of each thread, not in that of post().
  void deliver(Job job);
  // Receiver only: runs what is there, at most as many posted ones as the capacity. Returns how many ran.
  size_t run();

  // Receiver only.
  bool has_mail() const;
  // Receiver only. True when it may sleep on wake_fd(): from here until the next woke() each post writes to
  // it.
  bool may_sleep();
  void woke() { asleep_.store(false, std::memory_order_relaxed); }
  int wake_fd() const { return wake_fd_; }
  uint64_t wakes() const { return wakes_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::atomic<uint64_t> turn{0};
    Job job;
  };
  struct Delivered {
    Job job;
    Delivered* next;
  };
  void wake();
  Delivered* take_delivered();

  const size_t mask_;
  std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<uint64_t> tail_{0};
  alignas(64) uint64_t head_ = 0;
  alignas(64) std::atomic<Delivered*> delivered_{nullptr};  // The last one first.
  alignas(64) std::atomic<bool> asleep_{false};
  std::atomic<uint64_t> wakes_{0};
  int wake_fd_;
};

}  // namespace ringfence::ring
