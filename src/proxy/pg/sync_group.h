// The sync group at hand: what stands together up to a Sync, and what of it is kept back. A Query and a
// FunctionCall are groups of their own.
#pragma once

#include <cstdint>

#include "call_guard.h"
#include "ringfence/base/bytes.h"
#include "ringfence/pg/frame.h"
#include "unexecuted_binds.h"

namespace ringfence::proxy {

struct Exchange;

class SyncGroup {
 public:
  // Messages of it were sent since the last Sync, Query or FunctionCall.
  bool is_open() const { return is_open_; }
  // Some of its messages have gone out, and others are kept back.
  bool is_partly_out() const { return is_partly_out_; }
  // Place in the queue from which on nothing has gone out.
  uint64_t unsent_from() const { return unsent_from_; }
  CallGuard& guard() { return guard_; }
  UnexecutedBinds& unexecuted() { return unexecuted_; }

  // A message was taken.
  void note(char type);
  // Names are foreseen as if all that was sent succeeded, which holds within a sync group alone: the server
  // skips the rest of one that fails. Where more hangs on a name than its record, what begins a group waits
  // until they are known.
  bool must_know_names(const Exchange& x, char type) const;
  // Where the statements of the session may be held, nothing of a sync group goes out before it is whole.
  void mark(Exchange& x, const pg::FrameSegment& segment);
  // What is pushed from now on is kept back: from `place` in the queue on.
  void keep_from(uint64_t place) { unsent_from_ = place; }
  // After each message that is decided, while it is kept back.
  void settle(Exchange& x, char type, ByteView body);
  // What is there of it goes out.
  void let_out() {
    is_partly_out_ = true;
    unsent_from_ = ~uint64_t{0};
  }

 private:
  uint64_t unsent_from_ = ~uint64_t{0};
  bool is_open_ = false;
  bool is_partly_out_ = false;
  CallGuard guard_;
  UnexecutedBinds unexecuted_;
};

}  // namespace ringfence::proxy
