// How bytes of one side of a session, which its pump has let pass, get to the other side: sent, behind the
// name of the server's connection where that is due, or from socket to socket through a pipe where they
// belong to a long body that nobody has to see (net/splice.h).
#pragma once

#include <cstdint>

#include "ringfence/net/splice.h"
#include "ringfence/net/stream.h"

namespace ringfence::proxy {

class Relay;

enum class Side : uint8_t { client, server };
inline Side other(Side side) { return side == Side::client ? Side::server : Side::client; }

class Outlet {
 public:
  // The relay, whose lease has its connection, outlives it.
  Outlet(Relay& relay, Side from);

  Relay& relay() const { return relay_; }
  Side from() const { return from_; }
  // Bytes passed on so far.
  uint64_t bytes() const { return bytes_; }
  // So many go to the other side.
  void count(size_t bytes);
  net::Stream& input() const { return stream(from_); }
  net::Stream& output() const { return stream(other(from_)); }

  // Asked for each chunk before it is sent: whether a body follows that is to be spliced. `is_ahead`: what
  // was received already goes before it.
  bool has_body_behind(bool is_ahead);
  // The stream was told so.
  bool expects_long_bodies() const { return expects_long_bodies_; }

  // The client's bytes, behind the name of its session. The tasks say whether more can be passed in this
  // direction.
  ring::Task<bool> send_named(net::Chunk chunk, ByteView bytes, bool has_body);
  ring::Task<bool> send_rest(net::Chunk chunk, net::Send sending);
  ring::Task<bool> send_and_splice(net::Chunk chunk, ByteView bytes);
  // The same of what was sent at once.
  bool note_sent(bool is_sent);

 private:
  // Whether more can be passed; `not_begun`: there is no pipe, and the head has not gone out.
  enum class Passed : uint8_t { goes_on, over, not_begun };
  ring::Task<Passed> splice_body(ByteView head, net::Chunk* chunk);
  uint32_t body_to_splice(uint32_t bytes_min) const;
  bool note_spliced(const net::Spliced& spliced);
  net::Stream& stream(Side side) const;

  Relay& relay_;
  uint64_t bytes_ = 0;
  const Side from_;
  const bool can_splice_;
  bool expects_long_bodies_ = false;
  uint8_t receives_without_ = 0;  // A long body, since the last one.
};

}  // namespace ringfence::proxy
