// How what one side of a session sends gets to the other: received, shown to the conversation, passed on, and
// what may have to be waited for in between. A pump's frame is there as long as its session, so it holds what
// waiting for the next chunk takes; all other waiting is done in tasks that are gone afterwards.
//
// What always holds: nothing of a chunk is sent before the conversation has let it pass, its records are as
// durable as the configuration wants, and the server's connection has its session's name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "conversation.h"
#include "ringfence/net/splice.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/disk_sync.h"

namespace ringfence::proxy {

class Relay;
struct SessionParts;

enum class Side : uint8_t { client, server };
inline Side other(Side side) { return side == Side::client ? Side::server : Side::client; }

class Pump {
 public:
  // The relay outlives it. `leftover`: what came too early.
  Pump(Relay& relay, Side from, ByteView leftover);
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Until its side ends, or the session does.
  ring::Task<void> run();
  // Bytes passed on so far.
  uint64_t bytes() const { return bytes_; }
  // The client's: what it waits for may have come.
  void wake() {
    if (waits_) signal_.set();
  }
  // The server's: until it has ended, which is its very last act.
  ring::Task<void> wait_until_ended();
  // What the client sent while its statement waited, in bytes.
  size_t read_ahead_bytes() const { return read_ahead_ ? read_ahead_->size() : 0; }
  void read_ahead(ByteView bytes);
  void note_client_end(bool is_orderly);

  // For what waits.
  Side from() const { return from_; }
  // Nothing more is read of this side.
  bool is_over() const;
  // Shows the conversation the chunk from `at` on.
  Advance inspect(ByteView bytes, size_t& at);
  // So many go to the other side.
  void count(size_t bytes);
  enum class Until : uint8_t { it_has_answered, it_ends };
  // The client's next bytes wait for the server to answer all that it was sent, or are not wanted any more
  // while what runs at the server still is. False: the session or the server's pump is over.
  ring::Task<bool> wait_for_server(Until until);
  // The client's statements that have started are not on the disk yet, and have to be.
  bool needs_sync() const;
  // When a sync has run. False: the session has to end, and why is set.
  bool note_durable(bool is_durable);

 private:
  // How it goes on: with the next chunk, not at all, when a sync has brought the chunk's records to the disk,
  // or when the other task has run, which says whether it does.
  enum class Way : uint8_t { next, over, syncs, aside };
  using Aside = std::optional<ring::Task<bool>>;
  Way take_turn(net::Receive& receive, Aside& aside);
  Way take_chunk(net::Receive& receive, net::Chunk chunk, Aside& aside);
  Way pass_pending(net::Receive& receive, Aside& aside);
  Way pass_accepted(net::Receive& receive, net::Chunk chunk, Aside& aside);
  Way pass_durable(net::Receive& receive, bool is_durable, Aside& aside);
  Way pass_on(net::Receive& receive, net::Chunk chunk, Aside& aside);
  void end_server();

  // Sending.
  net::Stream& stream(Side side);
  ring::Task<bool> pass_named(net::Chunk chunk, ByteView bytes, bool has_body);
  ring::Task<bool> wait_until_sent(net::Chunk chunk, net::Send sending);
  ring::Task<bool> send_and_splice(net::Chunk chunk, ByteView bytes);
  bool after_sent(bool is_sent);

  // Waiting. False: the session has to end, and why is set.
  ring::Task<bool> wait_until_accepted(net::Receive& receive, net::Chunk chunk, size_t at, Advance advance);
  ring::Task<bool> wait_for_volume(net::Receive& receive, net::Chunk chunk);

  // Long bodies (pump_splice.cc).
  bool body_follows(const net::Receive& receive);
  uint32_t body_to_splice(uint32_t bytes_min);
  // Whether more can be passed in this direction; `not_begun`: there is no pipe, and the head has not gone
  // out.
  enum class Passed : uint8_t { goes_on, over, not_begun };
  ring::Task<Passed> splice_body(ByteView head, net::Chunk* chunk);
  bool note_spliced(const net::Spliced& spliced);

  // What its frame has no room for.
  struct Pending {
    std::optional<DurableWait> sync;  // What it waits for with audit.durability: disk.
    net::Chunk chunk;                 // Accepted after a wait, or waits for the sync.
  };
  Pending& pending() {
    if (!pending_) pending_ = std::make_unique<Pending>();
    return *pending_;
  }
  net::Chunk take_read_ahead();
  SessionParts& parts();
  Conversation& conversation();

  Relay& relay_;
  std::unique_ptr<Pending> pending_;
  // What came too early, or from the client while its statement waited: goes before what is received.
  std::unique_ptr<std::string> read_ahead_;
  uint64_t bytes_ = 0;
  ring::Event signal_;  // The client's: it may go on. The server's: it has ended.
  Side from_;
  bool waits_ = false;                // For the signal.
  bool expects_long_bodies_ = false;  // The stream was told so.
  uint8_t receives_without_ = 0;      // Such a body, since the last one.
};

}  // namespace ringfence::proxy
