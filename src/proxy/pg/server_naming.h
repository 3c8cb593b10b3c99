// The name of a pooled server connection, set in front of its session's first message, in the same piece, and
// nobody waits for it. What the server answers to that is swallowed before the session sees any of it; if it
// is not exactly what is wanted, the session ends and the client gets none of the server's bytes.
//
// What always holds: until it is named, a connection has a name that is nobody's (`ringfence`), and never
// that of the session before; nothing of the session's goes to the server before its connection is named, but
// for its end.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "own_answer.h"
#include "ringfence/net/stream.h"
#include "ringfence/ring/shard.h"
#include "upstream.h"

namespace ringfence::proxy {

struct WatchedSession;

class ServerNaming {
 public:
  // What a naming needs of its session, all of which outlives it.
  struct Of {
    ring::Shard& shard;
    Upstream& server;
    WatchedSession* watched;  // Null: nobody asks for what is shown.
    std::function<void(std::string_view reason)> fail;
  };
  // It is due from here on: asked by itself after a while, if the client says nothing.
  ServerNaming(Of of, std::string_view application_name, OwnAnswer::Kind kind);

  bool is_due() const { return state_ == State::due; }
  bool is_sending() const { return state_ == State::sending; }
  // The server has been asked, and has not answered.
  bool is_awaited() const { return state_ != State::due && !is_over_; }
  // Answered, or the session is over, and nothing of it is on its way.
  bool is_done() const { return is_over_ && state_ != State::sending; }
  // Whether `bytes` have to wait for it.
  bool goes_before(ByteView bytes) const;
  // With the bytes at `along`, if they are few: then they are taken. Where it is on its way, until it is
  // sent. False: the connection is lost.
  ring::Task<bool> send(ByteView* along);
  ring::Event& sent() { return sent_; }
  // From the server, of whose message `begun` bytes stand in front that are the session's: takes from the
  // chunk what is the answer's, and adds what is not to be lost. False: the session ends.
  bool take(net::Chunk& chunk, size_t begun);
  // It is named, or the session is over.
  void end();
  // Until then. One that waits may find the session gone.
  ring::Task<void> wait();

 private:
  enum class State : uint8_t { due, sending, sent };
  void is_late();
  ring::Task<void> send_alone();

  Of of_;
  std::string message_;
  OwnAnswer answer_;
  State state_ = State::due;
  bool is_over_ = false;
  ring::Event sent_;
  std::vector<ring::Event*> waiters_;  // For the answer.
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::proxy
