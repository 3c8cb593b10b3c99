// The client's messages whose answers have not come, in the order in which they were sent: a ring that grows
// with a burst and is given back after it. A message keeps its place, a number that counts on, for as long as
// it waits.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

// Names a statement to whoever records it: the number that its start record got; consecutive for the
// statements of one Query; 0 where the trail dropped the record.
using StatementNumber = uint64_t;
// Of a statement that has no record, because it was refused and the server gets another message in its place:
// this and the refusal's own number, which is below it.
inline constexpr StatementNumber unrecorded_statement = StatementNumber{1} << 63;

struct PendingMessage {
  // bad_flush: a Flush with a body, which the server refuses; others it answers with nothing.
  enum class Kind : uint8_t {
    gone,
    query,
    parse,
    bind,
    describe,
    close,
    execute,
    function_call,
    sync,
    copy_end,
    own,
    bad_flush
  };

  Kind kind = Kind::gone;
  bool is_portal = false;        // describe, close
  bool is_redacted = false;      // query
  bool is_uncut = false;         // query
  bool continues = false;        // query: the next entry is of the same message
  bool is_over = false;          // query, function_call: done or failed, only ReadyForQuery is awaited
  bool is_doubtful = false;      // sync: sent inside a COPY; the server may have swallowed it
  bool ends_skip = false;        // sync: doubtful, and what was sent before it was skipped
  bool is_own = false;           // parse, close, sync: the appliance's, of a statement that it prepares again
  Unseen unseen = Unseen::none;  // What it may run out of sight
  uint16_t expected = 0;         // query: of its first statement; see Completion
  uint32_t count = 0;            // query: statements
  uint32_t completed = 0;        // query: how many are done
  uint32_t naming_before =
      0;  // So many places before it is the last message that makes or drops a name; 0: none waits
  StatementNumber first = 0;  // query, execute, function_call
  uint64_t expected_at = 0;   // query: where those of the others stand
  uint64_t since_ns = 0;
  uint64_t message_bytes = 0;
  uint64_t stamp = 0;      // Of all messages of the session; rises
  Ref<Prepared> prepared;  // parse; describe and close of a statement; execute: what was recorded
  Ref<Portal> portal;      // bind, execute; describe and close of a portal: only the name

  // It makes statements run, each of which has a record.
  bool runs() const { return kind == Kind::query || kind == Kind::execute || kind == Kind::function_call; }
  bool has_open_statement() const { return runs() && !is_over && completed < count; }
};

// An idle session keeps room for a few.
static_assert(sizeof(PendingMessage) <= 80);

class PendingMessages {
 public:
  using Kind = PendingMessage::Kind;

  bool is_empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }
  // Places: from begin() up to, not including, end().
  uint64_t begin() const { return head_; }
  uint64_t end() const { return tail_; }
  PendingMessage& at(uint64_t place) { return ring_[place & (ring_.size() - 1)]; }
  const PendingMessage& at(uint64_t place) const { return ring_[place & (ring_.size() - 1)]; }
  const PendingMessage& back() const { return at(tail_ - 1); }
  PendingMessage& back() { return at(tail_ - 1); }

  PendingMessage& push(Kind kind);
  // The message just pushed makes or drops a name.
  void mark_naming(PendingMessage& message);
  // The one that is answered next, or null. Drops what answers nothing.
  PendingMessage* front();
  void pop();

  // Whether a message is on its way that makes or drops a name.
  bool has_naming() const { return last_naming_ > head_; }
  // The last message on its way that makes or drops this name; null: none does.
  const PendingMessage* last_naming(bool is_portal, std::string_view name) const;

 private:
  void grow();

  std::vector<PendingMessage> ring_;  // A power of two; places are masked.
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  uint64_t last_naming_ = 0;  // 1 + its place.
};

}  // namespace ringfence::pg
