// Statements that wait for somebody's word before any of them reaches the server, and how that word is given.
//
// A session whose Query, or first message of a sync group, is held is parked: it has no thread, no receive
// buffer of its shard and no timer but the one of its deadline; what has been read of the client's bytes
// stays in its own bounded buffer, and nothing more is read beyond `held_bytes_max`. What the client sent
// before the held group goes out and is answered in order; nothing from the group's first message onward
// does.
//
//   parked ─┬─ released       the statement is decided again by the policies in force now, recorded, and sent
//           ├─ refused        42501 with the reason; the session stays usable
//           ├─ expired        57014: no word came in time (`held_in_transaction_ms_max` in a transaction)
//           ├─ cancelled      57014: the client sent a CancelRequest, which does not reach the server
//           ├─ disconnected   the client has gone: the session ends
//           └─ session_ended  an operator, a drain, a reload or the server ended the session
//
// A word that is not `released` makes one record of the statement, with its outcome (denied for `refused`,
// else not_executed) and the reason; where the session goes on, the server gets a message that it is certain
// to reject in the statement's place, so that the state of its transaction stays its own.
//
// What always holds: a hold ends exactly once, by the first of these that its shard's thread sees; whatever
// comes later finds nothing and says so. A hold's number is never used again. A statement that was not
// released is not sent. A release does not override a refusal: a policy that came meanwhile and refuses the
// statement wins. What of the same sync group was decided before the held statement, and is kept back with
// it, is not decided again. Of EXECUTE, whoever decides sees its own text, not that of what it names.
//
// Who may call: PgShard::answer_hold() from any thread; all else, and the watcher's calls, on the shard's
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/base/uuid.h"

namespace ringfence::proxy {

struct HoldId {
  unsigned shard = 0;
  uint64_t number = 0;  // Of that shard, from 1.
  bool operator==(const HoldId&) const = default;
};

enum class HoldEnd : uint8_t { released, refused, expired, cancelled, disconnected, session_ended };
inline constexpr size_t hold_ends = 6;
const char* hold_end_name(HoldEnd end);

struct HoldAnswer {
  bool is_released = false;
  std::string reason = {};  // Of a refusal: for the client and the trail.
};

// What is held, for whoever decides.
struct HeldStatement {
  HoldId id;
  Uuid session;
  std::string user;
  std::string target;
  std::string statement;  // As the trail has it: redacted, perhaps its beginning only. All of a Query's text.
  std::string parameters;  // Of Bind, as the trail has them; empty: none.
  std::string rule;        // By which it is held.
  uint64_t since_us = 0;   // Unix time.
  uint64_t timeout_ms = 0;
  bool is_in_transaction = false;     // One is open at the server while it waits: locks may be held.
  uint64_t transaction_since_us = 0;  // Of that one; 0: it began with the group that is held.
};

// Told on the shard's thread; does not end sessions from within.
class HoldWatcher {
 public:
  virtual void held(const HeldStatement& statement) = 0;
  virtual void hold_ended(const HoldId& id, HoldEnd end) = 0;

 protected:
  ~HoldWatcher() = default;
};

}  // namespace ringfence::proxy
