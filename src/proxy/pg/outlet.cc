#include "outlet.h"

#include "relay.h"

namespace ringfence::proxy {

using ring::Task;

Outlet::Outlet(Relay& relay, Side from)
    : relay_(relay),
      from_(from),
      can_splice_(stream(Side::client).can_splice() && stream(Side::server).can_splice()) {}

net::Stream& Outlet::stream(Side side) const {
  SessionParts& parts = relay_.parts();
  return side == Side::client ? *parts.client.stream : parts.lease.stream();
}

// ---------------------------------------------------------------- sending

Task<bool> Outlet::send_named(net::Chunk chunk, ByteView bytes, bool has_body) {
  {
    auto naming = relay_.parts().lease.name(has_body ? nullptr : &bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  if (has_body) {
    auto passing = send_and_splice(std::move(chunk), bytes);
    bool goes_on = co_await passing;
    co_return goes_on;
  }
  net::Send sending(relay_.parts().lease.stream(), bytes, chunk);
  Result<void> sent = co_await sending;
  co_return note_sent(sent.has_value());
}

Task<bool> Outlet::send_rest(net::Chunk chunk, net::Send sending) {
  sending.sends_from(chunk);
  Result<void> sent = co_await sending;
  co_return note_sent(sent.has_value());
}

Task<bool> Outlet::send_and_splice(net::Chunk chunk, ByteView bytes) {
  if (!bytes.empty() && bytes.size() <= net::Splice::head_bytes_max) {
    auto splicing = splice_body(bytes, &chunk);
    const Passed passed = co_await splicing;
    if (passed != Passed::not_begun) co_return passed == Passed::goes_on;
  }
  bytes.remove_prefix(output().try_send(bytes, true));
  {
    net::Send sending(output(), bytes, chunk);
    Result<void> sent = co_await sending;
    if (!note_sent(sent.has_value())) co_return false;
  }
  chunk.reset();
  auto splicing = splice_body({}, nullptr);
  const Passed passed = co_await splicing;
  co_return passed == Passed::goes_on;
}

// What the server still has to say, its FATAL perhaps, is read by the other pump.
bool Outlet::note_sent(bool is_sent) {
  if (from_ == Side::client) return is_sent;
  ClientEnd& client = relay_.parts().client;
  if (!is_sent) {
    client.note_gone();
    client.stream->shutdown();
  }
  client.is_at_boundary = relay_.conversation().server().is_at_boundary();
  return true;
}

void Outlet::count(size_t bytes) {
  bytes_ += bytes;
  ShardCounters& counters = relay_.parts().shard.core.counters;
  (from_ == Side::client ? counters.bytes_to_server : counters.bytes_to_client).add(bytes);
}

// ---------------------------------------------------------------- long bodies

// How much of what comes next may be spliced now; 0 if that is less than `bytes_min`.
uint32_t Outlet::body_to_splice(uint32_t bytes_min) const {
  const uint32_t bytes = from_ == Side::client ? relay_.conversation().client().body_to_pass()
                                               : relay_.conversation().server().body_to_pass();
  return bytes >= bytes_min ? bytes : 0;
}

bool Outlet::has_body_behind(bool is_ahead) {
  if (!can_splice_) return false;
  ShardCore& core = relay_.parts().shard.core;
  bool is_long = body_to_splice(splice_bytes_min) != 0;
  if (is_long && core.splice_pipes.are_out()) {
    core.counters.splice_pipes_out.add();
    is_long = false;
  }
  if (!is_long) {
    if (expects_long_bodies_ && ++receives_without_ > receives_without_body_max) {
      expects_long_bodies_ = false;
      input().expect_long_bodies(false);
    }
    return false;
  }
  receives_without_ = 0;
  if (!std::exchange(expects_long_bodies_, true)) input().expect_long_bodies(true);
  // What was received ahead goes first, in the stream as with the pump.
  return !is_ahead && input().has_nothing_ahead();
}

// `head` goes before the body, by the same calls; `chunk`, which has it, is let go once it is in the pipe.
Task<Outlet::Passed> Outlet::splice_body(ByteView head, net::Chunk* chunk) {
  ShardCore& core = relay_.parts().shard.core;
  bool waits_first = false;
  while (uint32_t bytes = body_to_splice(1)) {
    if (from_ == Side::client ? relay_.is_over() : relay_.parts().client.is_gone()) break;
    net::Splice splice(core.shard.ring(), core.splice_pipes, input(), output(), bytes, waits_first, head,
                       chunk);
    net::Spliced spliced = co_await splice;
    if (spliced.end == net::Spliced::End::no_head) co_return Passed::not_begun;
    if (!head.empty() && spliced.end != net::Spliced::End::output_failed) {
      if (!note_sent(true)) co_return Passed::over;
    }
    head = {};
    if (!note_spliced(spliced)) co_return Passed::over;
    if (spliced.end != net::Spliced::End::none) break;
    waits_first = true;
  }
  co_return head.empty() ? Passed::goes_on : Passed::not_begun;
}

bool Outlet::note_spliced(const net::Spliced& spliced) {
  relay_.idle().note_active(relay_.parts().now());
  const bool is_to_client = from_ == Side::server;
  if (is_to_client) relay_.conversation().server().body_passed(static_cast<uint32_t>(spliced.taken));
  else relay_.conversation().client().body_passed(static_cast<uint32_t>(spliced.taken));
  count(spliced.given);
  ShardCounters& counters = relay_.parts().shard.core.counters;
  (is_to_client ? counters.spliced_to_client : counters.spliced_to_server).add(spliced.given);
  switch (spliced.end) {
    case net::Spliced::End::none:
    case net::Spliced::End::no_pipe:
    case net::Spliced::End::no_head:
    case net::Spliced::End::input_ended: return true;
    case net::Spliced::End::cancelled: return false;
    case net::Spliced::End::output_failed:
      // What the server still says is read on, though nobody hears it.
      if (is_to_client) note_sent(false);
      return is_to_client;
  }
  return true;
}

}  // namespace ringfence::proxy
