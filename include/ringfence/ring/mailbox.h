// How threads talk: jobs that any thread posts and one thread runs, in order, in a bounded lock-free queue.
// Everything a job needs crosses inside it, by value. The wake is an eventfd, written only when the receiver
// may be asleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace ringfence::ring {

// A function that is run once; owns what it captured.
class Job {
 public:
  Job() = default;
  template <typename F>
  Job(F function) : body_(std::make_unique<Body<F>>(std::move(function))) {}
  void operator()() {
    auto body = std::move(body_);
    body->run();
  }
  explicit operator bool() const { return body_ != nullptr; }

 private:
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
  std::unique_ptr<Base> body_;
};

class Mailbox {
 public:
  // `capacity` is a power of two.
  explicit Mailbox(size_t capacity);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // From any thread. False when the mailbox is full: the job was not taken and has not run.
  bool post(Job job);
  // Receiver only: runs what is there, at most as many as the capacity. Returns how many ran.
  size_t run();

  // Receiver only. True when it may sleep on wake_fd(): from here until the next woke() each post writes to it.
  bool may_sleep();
  void woke() { asleep_.store(false, std::memory_order_relaxed); }
  int wake_fd() const { return wake_fd_; }
  uint64_t wakes() const { return wakes_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::atomic<uint64_t> turn{0};
    Job job;
  };
  bool has_mail() const;

  const size_t mask_;
  std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<uint64_t> tail_{0};
  alignas(64) uint64_t head_ = 0;
  alignas(64) std::atomic<bool> asleep_{false};
  std::atomic<uint64_t> wakes_{0};
  int wake_fd_;
};

}  // namespace ringfence::ring
