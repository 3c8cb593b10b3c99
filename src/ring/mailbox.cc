#include "ringfence/ring/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "ringfence/base/result.h"
#include "ringfence/base/thread_counts.h"

namespace ringfence::ring {

// Bounded queue of many producers with a turn number a slot: slot i is free for the producer whose ticket is
// t when turn == t, and holds that producer's job when turn == t + 1.
Mailbox::Mailbox(size_t capacity)
    : mask_(capacity - 1), slots_(new Slot[capacity]), wake_fd_(eventfd(0, EFD_CLOEXEC)) {
  RINGFENCE_ASSERT((capacity & mask_) == 0 && capacity > 1);
  RINGFENCE_ASSERT(wake_fd_ >= 0);
  for (size_t i = 0; i < capacity; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
}

Mailbox::~Mailbox() {
  for (Delivered* job = take_delivered(); job != nullptr;) delete std::exchange(job, job->next);
  ::close(wake_fd_);
}

void Mailbox::wake() {
  if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
  wakes_.fetch_add(1, std::memory_order_relaxed);
  count_system_call();
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

bool Mailbox::post(Job job) {
  uint64_t ticket = tail_.load(std::memory_order_relaxed);
  Slot* slot;
  for (;;) {
    slot = &slots_[ticket & mask_];
    uint64_t turn = slot->turn.load(std::memory_order_acquire);
    if (turn == ticket) {
      if (tail_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed)) break;
    } else if (turn < ticket) {
      return false;
    } else {
      ticket = tail_.load(std::memory_order_relaxed);
    }
  }
  slot->job = std::move(job);
  // Sequentially consistent with the receiver's asleep_ then turn: one of the two sees the other.
  slot->turn.store(ticket + 1, std::memory_order_seq_cst);
  wake();
  return true;
}

void Mailbox::deliver(Job job) {
  auto* mine = new Delivered{std::move(job), delivered_.load(std::memory_order_relaxed)};
  // Sequentially consistent with the receiver's asleep_, as in post().
  while (!delivered_.compare_exchange_weak(mine->next, mine, std::memory_order_seq_cst,
                                           std::memory_order_relaxed)) {
  }
  wake();
}

// The first one first.
Mailbox::Delivered* Mailbox::take_delivered() {
  if (delivered_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  Delivered* last_first = delivered_.exchange(nullptr, std::memory_order_acquire);
  Delivered* out = nullptr;
  while (last_first != nullptr) {
    Delivered* next = std::exchange(last_first->next, out);
    out = std::exchange(last_first, next);
  }
  return out;
}

bool Mailbox::has_mail() const {
  return slots_[head_ & mask_].turn.load(std::memory_order_seq_cst) == head_ + 1 ||
         delivered_.load(std::memory_order_seq_cst) != nullptr;
}

size_t Mailbox::run() {
  size_t ran = 0;
  while (ran <= mask_) {
    Slot& slot = slots_[head_ & mask_];
    if (slot.turn.load(std::memory_order_acquire) != head_ + 1) break;
    Job job = std::move(slot.job);
    slot.turn.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    job();
    ++ran;
  }
  for (Delivered* next = take_delivered(); next != nullptr; ++ran) {
    const std::unique_ptr<Delivered> delivered(std::exchange(next, next->next));
    delivered->job();
  }
  return ran;
}

bool Mailbox::may_sleep() {
  asleep_.store(true, std::memory_order_seq_cst);
  if (!has_mail()) return true;
  asleep_.store(false, std::memory_order_relaxed);
  return false;
}

}  // namespace ringfence::ring
