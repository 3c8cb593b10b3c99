// What nobody has to see of long messages goes from socket to socket through a pipe. See net/splice.h.
#include "pump.h"
#include "relay.h"

namespace ringfence::proxy {

using ring::Task;

// How much of what comes next may be spliced now; 0 if that is less than `bytes_min`.
uint32_t Pump::body_to_splice(uint32_t bytes_min) {
  const uint32_t bytes =
      from_ == Side::client ? conversation().client_body_to_pass() : conversation().server_body_to_pass();
  return bytes >= bytes_min ? bytes : 0;
}

// Asked for each chunk before it is sent: whether a body follows that is to be spliced, after which
// splice_body() comes.
bool Pump::body_follows(const net::Receive& receive) {
  ShardCore& core = parts().shard.core;
  bool is_long = body_to_splice(splice_bytes_min) != 0;
  if (is_long && core.splice_pipes.are_out()) {
    core.counters.splice_pipes_out.add();
    is_long = false;
  }
  if (!is_long) {
    if (expects_long_bodies_ && ++receives_without_ > receives_without_body_max) {
      expects_long_bodies_ = false;
      stream(from_).expect_long_bodies(false);
    }
    return false;
  }
  receives_without_ = 0;
  if (!std::exchange(expects_long_bodies_, true)) stream(from_).expect_long_bodies(true);
  // What was received ahead goes first: a chunk in the pump's own receive, in the stream, or read while a
  // statement waited.
  if (receive.is_started() || read_ahead_) return false;
  return stream(from_).has_nothing_ahead();
}

// `head` goes before the body, by the same calls; `chunk`, which has it, is let go once it is in the pipe.
Task<Pump::Passed> Pump::splice_body(ByteView head, net::Chunk* chunk) {
  ShardCore& core = parts().shard.core;
  bool waits_first = false;
  while (uint32_t bytes = body_to_splice(1)) {
    if (from_ == Side::client ? is_over() : parts().client.is_gone()) break;
    net::Splice splice(core.shard.ring(), core.splice_pipes, stream(from_), stream(other(from_)), bytes,
                       waits_first, head, chunk);
    net::Spliced spliced = co_await splice;
    if (spliced.end == net::Spliced::End::no_head) co_return Passed::not_begun;
    if (!head.empty() && spliced.end != net::Spliced::End::output_failed) {
      if (!after_sent(true)) co_return Passed::over;
    }
    head = {};
    if (!note_spliced(spliced)) co_return Passed::over;
    if (spliced.end != net::Spliced::End::none) break;
    waits_first = true;
  }
  co_return head.empty() ? Passed::goes_on : Passed::not_begun;
}

bool Pump::note_spliced(const net::Spliced& spliced) {
  relay_.note_active();
  const bool is_to_client = from_ == Side::server;
  if (is_to_client) conversation().server_body_passed(static_cast<uint32_t>(spliced.taken));
  else conversation().client_body_passed(static_cast<uint32_t>(spliced.taken));
  count(spliced.given);
  ShardCounters& counters = parts().shard.core.counters;
  (is_to_client ? counters.spliced_to_client : counters.spliced_to_server).add(spliced.given);
  switch (spliced.end) {
    case net::Spliced::End::none:
    case net::Spliced::End::no_pipe:
    case net::Spliced::End::no_head:
    case net::Spliced::End::input_ended: return true;
    case net::Spliced::End::cancelled: return false;
    case net::Spliced::End::output_failed:
      // What the server still says is read on, though nobody hears it.
      if (is_to_client) after_sent(false);
      return is_to_client;
  }
  return true;
}

}  // namespace ringfence::proxy
