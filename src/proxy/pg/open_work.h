// What a session has open that outlasts a message: a statement that is parked, a transaction.
#pragma once

#include <cstdint>

#include "parked.h"

namespace ringfence::proxy {

class OpenWork {
 public:
  // Null: nothing is parked any more.
  void park(Parked* parked) { parked_ = parked; }
  bool is_parked() const { return parked_ != nullptr; }
  void end_parked(HoldEnd how) {
    if (parked_ != nullptr) parked_->end(how);
  }
  // After answers: whether a transaction is open; `now_us` is when it began if it was not.
  void note_transaction(bool is_open, uint64_t now_us) {
    if (is_open == (transaction_since_us_ != 0)) return;
    transaction_since_us_ = is_open ? now_us : 0;
    if (is_open && parked_ != nullptr) parked_->note_transaction();
  }
  // 0: none is open.
  uint64_t transaction_since_us() const { return transaction_since_us_; }

 private:
  Parked* parked_ = nullptr;
  uint64_t transaction_since_us_ = 0;
};

}  // namespace ringfence::proxy
