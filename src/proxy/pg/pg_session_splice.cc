// What nobody has to see of long messages goes from socket to socket through a pipe. See net/splice.h.
#include "pg_session.h"

namespace ringfence::proxy {

using ring::Task;

// How much of what comes next may be spliced now; 0 if that is less than `bytes_min`.
uint32_t PgSession::body_to_splice(Side from, uint32_t bytes_min) {
  const uint32_t bytes =
      from == Side::client ? conversation_->client_body_to_pass() : conversation_->server_body_to_pass();
  return bytes >= bytes_min ? bytes : 0;
}

// Asked for each chunk before it is sent: whether a body follows that is to be spliced, after which
// splice_body() comes.
bool PgSession::body_follows(Side from, const net::Receive& receive) {
  LongBodies& bodies = long_bodies_[static_cast<size_t>(from)];
  bool is_long = body_to_splice(from, splice_bytes_min) != 0;
  if (is_long && shard_.core.splice_pipes.are_out()) {
    shard_.core.counters.splice_pipes_out.add();
    is_long = false;
  }
  if (!is_long) {
    if (bodies.are_expected && ++bodies.receives_without > receives_without_body_max) {
      bodies.are_expected = false;
      stream(from).expect_long_bodies(false);
    }
    return false;
  }
  bodies.receives_without = 0;
  if (!bodies.are_expected) {
    bodies.are_expected = true;
    stream(from).expect_long_bodies(true);
  }
  // What was received ahead goes first: a chunk in the pump's own receive, in the stream, or read while a
  // statement waited.
  if (receive.is_started() || (from == Side::client && read_ahead_ != nullptr)) return false;
  return stream(from).has_nothing_ahead();
}

// `head` goes before the body, by the same calls; `chunk`, which has it, is let go once it is in the pipe.
Task<PgSession::Passed> PgSession::splice_body(Side from, ByteView head, net::Chunk* chunk) {
  bool waits_first = false;
  while (uint32_t bytes = body_to_splice(from, 1)) {
    if (from == Side::client ? is_over(from) : client_.is_gone()) break;
    net::Splice splice(shard_.core.shard.ring(), shard_.core.splice_pipes, stream(from), stream(other(from)),
                       bytes, waits_first, head, chunk);
    net::Spliced spliced = co_await splice;
    if (spliced.end == net::Spliced::End::no_head) co_return Passed::not_begun;
    if (!head.empty() && spliced.end != net::Spliced::End::output_failed) {
      if (!after_sent(from, true)) co_return Passed::over;
    }
    head = {};
    if (!note_spliced(from, spliced)) co_return Passed::over;
    if (spliced.end != net::Spliced::End::none) break;
    waits_first = true;
  }
  co_return head.empty() ? Passed::goes_on : Passed::not_begun;
}

bool PgSession::note_spliced(Side from, const net::Spliced& spliced) {
  active_ns_ = shard_.core.shard.now_ns();
  active_us_ = shard_.core.shard.now_us();
  const bool is_to_client = from == Side::server;
  if (is_to_client) conversation_->server_body_passed(static_cast<uint32_t>(spliced.taken));
  else conversation_->client_body_passed(static_cast<uint32_t>(spliced.taken));
  count(from, spliced.given);
  (is_to_client ? shard_.core.counters.spliced_to_client : shard_.core.counters.spliced_to_server)
      .add(spliced.given);
  switch (spliced.end) {
    case net::Spliced::End::none:
    case net::Spliced::End::no_pipe:
    case net::Spliced::End::no_head:
    case net::Spliced::End::input_ended: return true;
    case net::Spliced::End::cancelled: return false;
    case net::Spliced::End::output_failed:
      // What the server still says is read on, though nobody hears it.
      if (is_to_client) after_sent_to_client(false);
      return is_to_client;
  }
  return true;
}

}  // namespace ringfence::proxy
