// Keeps a function that a policy names from making a read session writable for what comes behind it.
//
// Such a function may set default_transaction_read_only to off; the server says so (ParameterStatus) before
// the next ReadyForQuery, and the session ends. What could use it is a transaction that begins before we have
// heard that. So in one message, or one group of messages up to Sync, no call stands together with the end of
// a transaction, and behind the message or group nothing is forwarded until ReadyForQuery.
//
// What always holds: what never starts anything (Sync, Flush, COPY data) does not wait, so that whatever is
// waited for comes.
#pragma once

#include "ringfence/pg/frame.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::proxy {

class CallGuard {
 public:
  // Whether a message that begins now has to wait. `is_idle`: every answer so far has come.
  bool must_wait(char type, bool is_idle) {
    if (!is_closed_) return false;
    if (is_idle) {
      *this = {};
      return false;
    }
    namespace from_client = pg::from_client;
    switch (type) {
      case from_client::sync:
      case from_client::flush:
      case from_client::copy_data:
      case from_client::copy_done:
      case from_client::copy_fail:
      case from_client::terminate: return false;
      default: return true;
    }
  }
  // With what was sent in this group before, and in itself.
  bool allows(pg::CallTraits traits) const {
    return !((calls_ || traits.calls_named) && (ends_ || traits.ends_transaction));
  }
  bool has_end() const { return ends_; }
  void note(pg::CallTraits traits) {
    calls_ = calls_ || traits.calls_named;
    ends_ = ends_ || traits.ends_transaction;
  }
  // The group has ended: Sync, or a message that has a ReadyForQuery of its own.
  void close() { is_closed_ = true; }

 private:
  bool calls_ = false;
  bool ends_ = false;
  bool is_closed_ = false;
};

}  // namespace ringfence::proxy
