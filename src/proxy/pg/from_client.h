// The client's half of a conversation: cuts what comes into messages, lets each wait for what it has to wait
// for, and says how much may be sent to the server.
#pragma once

#include "exchange.h"
#include "ringfence/pg/frame.h"
#include "ringfence/proxy/core/hold.h"

namespace ringfence::proxy {

enum class Advance : uint8_t {
  all,            // The chunk is done; all of it may be sent.
  wait_trail,     // The trail has no room: call again with the same chunk when it has.
  wait_analysis,  // A statement is too much for a shard to analyse: give analysed() what analyze() says of
                  // text_to_analyse() of what waits.
  wait_answer,    // What stands before has to be answered first: send to_server_so_far(), call again when
                  // is_clear().
  wait_hold,      // A statement waits for a word: release() or refuse() what waits, then call again.
  wait_budget,    // The grant's budget is asked for at the store: call again when it has more, or is spent.
  wait_queue,     // Too much is in flight: call again when the server has answered something.
  broken,         // The stream breaks the protocol or a limit; see error().
};

class FromClient {
 public:
  explicit FromClient(Exchange& exchange) : x_(exchange), cursor_(exchange.limits.message_bytes_max) {}

  // A chunk from the client, from `at` on, which is 0 for a new chunk and kept between calls for the same
  // one.
  Advance advance(ByteView chunk, size_t& at, Now now);
  // Whether a client's message can be taken now.
  bool is_clear() const;
  // What to send in place of a chunk that was advanced to all of it. Until the next chunk of that direction.
  ByteView to_server(ByteView chunk);
  // After wait_answer and wait_queue, once: what of the chunk, from the last such part on, may be sent now.
  // What waits for answers would wait for ever behind messages that do not go out.
  ByteView to_server_so_far(ByteView chunk);
  // While a message waits (wait_hold, wait_analysis). The session ends: the statement that waits is recorded,
  // and nothing is sent.
  void drop_waiting(Refusal refusal, Now now);
  // The bytes of the chunk that waits stand somewhere else now.
  void move_chunk(ByteView chunk);
  // After a chunk that was advanced to all of it: how many of the bytes that come next may go on without
  // being shown, for they belong to a body that nobody reads; body_passed() says how many did. The body's
  // last byte is always to be shown, and with it the message ends as every other.
  uint32_t body_to_pass() const;
  void body_passed(uint32_t bytes) { cursor_.skip(bytes); }
  bool is_at_boundary() const { return cursor_.at_boundary(); }
  bool said_goodbye() const { return x_.client_said_goodbye; }

 private:
  // What the cursor, or what waited, gives next.
  enum class Next : uint8_t { fresh, resumed, over, broken };
  void begin_chunk(ByteView chunk);
  Next next(ByteView chunk, size_t& at, pg::FrameSegment& segment);
  bool begin_message(const pg::FrameSegment& segment);
  void hold(const pg::FrameSegment& segment);
  Advance take(const pg::FrameSegment& segment, ByteView body);
  bool take_message(char type, ByteView body, uint32_t body_length);
  void push_other(char type, ByteView body, uint32_t body_length);
  void finish(const pg::FrameSegment& segment, ByteView body);
  Advance waiting_reason();
  bool wants_a_name(char type, ByteView body) const;
  bool has_room_for_name(char type, ByteView body);
  size_t capture_max(char type) const;

  Exchange& x_;
  pg::FrameCursor cursor_;
  uint32_t sent_ = 0;  // Without a gate: how much of the chunk has gone out.
};

}  // namespace ringfence::proxy
