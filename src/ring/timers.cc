#include "ringfence/ring/timers.h"

#include <algorithm>

namespace ringfence::ring {

Timer::~Timer() { cancel(); }

void Timer::arm(uint64_t due_ns) {
  cancel();
  due_ns_ = due_ns;
  timers_.insert(*this);
}

void Timer::cancel() {
  if (is_armed()) timers_.remove(*this);
}

void Timers::run(uint64_t now_ns) {
  run_until_ns_ = now_ns + 1;
  // Bounded by what was there at the start.
  for (size_t left = heap_.size(); left > 0 && !heap_.empty() && heap_.front()->due_ns_ <= now_ns; --left) {
    Timer* timer = heap_.front();
    remove(*timer);
    timer->fire();
  }
  run_until_ns_ = 0;
}

void Timers::insert(Timer& timer) {
  timer.due_ns_ = std::max(timer.due_ns_, run_until_ns_);
  heap_.push_back(&timer);
  timer.slot_ = heap_.size() - 1;
  sift_up(timer.slot_);
}

void Timers::remove(Timer& timer) {
  size_t slot = timer.slot_;
  timer.slot_ = Timer::unarmed;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  place(slot, last);
  sift_up(slot);
  sift_down(last->slot_);
}

void Timers::sift_up(size_t slot) {
  Timer* timer = heap_[slot];
  while (slot > 0) {
    size_t parent = (slot - 1) / 2;
    if (heap_[parent]->due_ns_ <= timer->due_ns_) break;
    place(slot, heap_[parent]);
    slot = parent;
  }
  place(slot, timer);
}

void Timers::sift_down(size_t slot) {
  Timer* timer = heap_[slot];
  for (;;) {
    size_t child = slot * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->due_ns_ < heap_[child]->due_ns_) ++child;
    if (timer->due_ns_ <= heap_[child]->due_ns_) break;
    place(slot, heap_[child]);
    slot = child;
  }
  place(slot, timer);
}

}  // namespace ringfence::ring
