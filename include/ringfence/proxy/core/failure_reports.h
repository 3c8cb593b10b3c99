// A shard's failures that anybody can repeat (see FailureTally), told in time: the counts of a window when it
// ends, what is left when the shard does.
#pragma once

#include "ringfence/audit/failure_tally.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/timers.h"

namespace ringfence::proxy {

// Used on the shard's thread; tell_all() also by who has joined it.
class FailureReports {
 public:
  // `publish` gives the event its id and time, and false when there is no room.
  using Publish = std::function<bool(audit::EventBuilder event)>;
  FailureReports(ring::Shard& shard, uint64_t window_ms, Publish publish)
      : shard_(shard),
        tally_(window_ms * 1'000),
        publish_(std::move(publish)),
        timer_(shard.timers(), [this] { look(); }) {}

  // True: it is to be published as an event of its own.
  bool is_first(const audit::FailureTally::Failure& failure) {
    const bool is_first = tally_.is_first(failure, shard_.now_us());
    if (!timer_.is_armed()) arm();
    return is_first;
  }
  void tell_all() {
    tally_.tell_all(tell());
    timer_.cancel();
  }

 private:
  audit::FailureTally::Tell tell() {
    return [this](const audit::FailureTally::Count& count) { return publish_(audit::event_of(count)); };
  }
  // Several times a window, for windows begin one by one.
  void arm() { timer_.arm(shard_.now_ns() + tally_.window_us() * 1'000 / 4); }
  void look() {
    tally_.tell_due(shard_.now_us(), tell());
    if (!tally_.is_empty()) arm();
  }

  ring::Shard& shard_;
  audit::FailureTally tally_;
  Publish publish_;
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::proxy
