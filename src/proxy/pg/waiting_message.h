// The client's message that waits for a word or for its analysis (Advance::wait_hold,
// Advance::wait_analysis): what is asked about it, what was said of it, and what stands before it.
#pragma once

#include <string>

#include "exchange.h"
#include "ringfence/proxy/core/hold.h"

namespace ringfence::proxy {

class WaitingMessage {
 public:
  // As long as the message waits.
  explicit WaitingMessage(Exchange& exchange) : x_(exchange) {}

  // What stands before it, or before its sync group, is to go out first.
  ByteView before() const { return x_.gate->from_client().before_mark(); }
  void before_is_sent() { x_.gate->from_client().drop_before_mark(); }
  // Some of its sync group has gone out.
  bool is_partly_out() const { return x_.group.is_partly_out(); }

  const std::string& text_to_analyse() const { return x_.message.seen().text_to_analyse; }
  // What analyze() says of that.
  void analysed(Result<sql::Facts> facts);
  // After wait_hold, once: what is held, for how long and by which rule; the names are the session's to fill
  // in.
  HeldStatement held_statement();
  void release() { x_.message.release(); }
  // The message is replaced, as a refused one is.
  void refuse(Refusal refusal) { x_.message.refuse(std::move(refusal)); }

 private:
  Exchange& x_;
};

}  // namespace ringfence::proxy
