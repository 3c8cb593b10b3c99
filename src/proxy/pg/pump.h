// How what one side of a session sends gets to the other: received, shown to the conversation, passed on (by
// its outlet), and what may have to be waited for in between. A pump's frame is there as long as its session,
// so it holds what waiting for the next chunk takes; all other waiting is done in tasks that are gone
// afterwards.
//
// What always holds: nothing of a chunk is sent before the conversation has let it pass, its records are as
// durable as the configuration wants, and the server's connection has its session's name.
#pragma once

#include <memory>
#include <optional>

#include "conversation.h"
#include "outlet.h"
#include "read_ahead.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/disk_sync.h"

namespace ringfence::proxy {

class Pump {
 public:
  // The relay outlives it. `leftover`: what came too early.
  Pump(Relay& relay, Side from, ByteView leftover);
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Until its side ends, or the session does.
  ring::Task<void> run();
  // The client's: what it waits for may have come.
  void wake() {
    if (waits_) signal_.set();
  }
  // It does something else than to wait for a chunk or for answers.
  bool is_sending() const { return is_aside_ && !waits_; }
  // The server's: until it has ended, which is its very last act.
  ring::Task<void> wait_until_ended();
  // What the client sends while its statement waits is put there.
  ReadAhead& read_ahead() { return read_ahead_; }
  void note_client_end(bool is_orderly);

  // For what waits.
  Outlet& outlet() { return outlet_; }
  const Outlet& outlet() const { return outlet_; }
  Side from() const { return outlet_.from(); }
  // Nothing more is read of this side.
  bool is_over() const;
  // Shows the conversation the chunk from `at` on.
  Advance inspect(ByteView bytes, size_t& at);
  enum class Until : uint8_t { it_has_answered, it_ends };
  // The client's next bytes wait for the server to answer all that it was sent, or are not wanted any more
  // while what runs at the server still is. False: the session or the server's pump is over.
  ring::Task<bool> wait_for_server(Until until);

 private:
  // How it goes on: with the next chunk, not at all, when a sync has brought the chunk's records to the disk,
  // or when the other task has run, which says whether it does.
  enum class Way : uint8_t { next, over, syncs, aside };
  using Aside = std::optional<ring::Task<bool>>;
  Way go_on(Way way, net::Receive& receive, Aside& aside);
  Way take_turn(net::Receive& receive, Aside& aside);
  Way take_chunk(net::Receive& receive, net::Chunk chunk, Aside& aside);
  Way pass_pending(net::Receive& receive, Aside& aside);
  Way pass_accepted(net::Receive& receive, net::Chunk chunk, Aside& aside);
  Way pass_durable(net::Receive& receive, bool is_durable, Aside& aside);
  Way pass_on(net::Receive& receive, net::Chunk chunk, Aside& aside);
  void end_server();

  // Waiting. False: the session has to end, and why is set.
  ring::Task<bool> wait_until_accepted(net::Receive& receive, net::Chunk chunk, size_t at, Advance advance);
  ring::Task<bool> wait_for_volume(net::Receive& receive, net::Chunk chunk);

  // What its frame has no room for.
  struct Pending {
    std::optional<DurableWait> sync;  // What it waits for with audit.durability: disk.
    net::Chunk chunk;                 // Accepted after a wait, or waits for the sync.
  };
  Pending& pending() {
    if (!pending_) pending_ = std::make_unique<Pending>();
    return *pending_;
  }
  Relay& relay() const { return outlet_.relay(); }
  Conversation& conversation() const;

  Outlet outlet_;
  std::unique_ptr<Pending> pending_;
  ReadAhead read_ahead_;
  ring::Event signal_;     // The client's: it may go on. The server's: it has ended.
  bool waits_ = false;     // For the signal.
  bool is_aside_ = false;  // The other task runs.
};

}  // namespace ringfence::proxy
