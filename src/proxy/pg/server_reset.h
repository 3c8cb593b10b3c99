// The order to a server to discard the state of the session that has ended, and whether it has done so. Until
// it has, exactly, the connection is nobody's.
#pragma once

#include <string>
#include <string_view>

#include "own_answer.h"
#include "ringfence/net/stream.h"

namespace ringfence::proxy {

class ServerReset {
 public:
  // `settings`: of the connection, which outlive it.
  explicit ServerReset(ReportedSettings& settings)
      : answer_(OwnAnswer::Kind::to_reset, settings), settings_(settings) {}

  // Asks the server; its answer comes to take(). Why it could not be asked; empty: it was, or the connection
  // is lost.
  ring::Task<std::string_view> send(net::Stream& stream);
  // From the server. False: no more is wanted.
  bool take(ByteView bytes) { return answer_.take(bytes) == OwnAnswer::State::open; }
  // Nobody waits for it any more. Without a reason it is our own doing.
  void break_off(std::string reason);
  void note_late();
  // The connection is as it was at its login.
  bool is_done() const {
    return answer_.state() == OwnAnswer::State::done && settings_.are_as_at_login() &&
           stop_ != Stop::broken_off;
  }
  // Why it did not make the connection fit to be kept; empty: nothing is wrong with it.
  std::string failure() const;

 private:
  enum class Stop : uint8_t { none, late, broken_off };

  OwnAnswer answer_;
  ReportedSettings& settings_;
  Stop stop_ = Stop::none;
  std::string reason_;  // Of breaking it off, where that is a failure.
};

}  // namespace ringfence::proxy
