// A session whose statement waits, for somebody's word or for its analysis: what it waits for, what it
// notices meanwhile, and how it goes on. See hold.h.
#pragma once

#include "pump.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/hold_table.h"

namespace ringfence::proxy {

class Relay;
struct Refusal;

class Parked final : private net::Receive::Watcher {
 public:
  // The time of the wait begins here. `receive`: the client's pump's, by which it is noticed when the client
  // leaves.
  Parked(Relay& relay, Pump& client, net::Receive& receive, bool is_analysis);

  // Until the wait is over, and the conversation knows how its message goes on. `is_sent`: what came before
  // the message has gone out.
  ring::Task<void> wait(bool is_sent);
  // Afterwards.
  bool goes_on() const;
  void end(HoldEnd how) { hold_.end(how); }
  // What was sent before the held statement has been answered, and left a transaction open.
  void note_transaction();

 private:
  enum class ClientIs : uint8_t { there, gone, gone_orderly };

  void received() override;
  void describe(HeldStatement statement);
  bool start_analysis();
  void record_end();
  // Tells the conversation how its message goes on.
  void resume();
  void resume_after(HoldEnd how, Refusal refusal);
  bool is_cut_off() const {
    return hold_.ended_by() == HoldEnd::disconnected || hold_.ended_by() == HoldEnd::session_ended;
  }

  Relay& relay_;
  Pump& client_;
  net::Receive& receive_;
  HeldStatement statement_;  // Until the hold has it.
  Hold hold_;
  ClientIs client_is_ = ClientIs::there;
};

}  // namespace ringfence::proxy
