#include "pump.h"

#include "chunk_wait.h"
#include "relay.h"

namespace ringfence::proxy {

using ring::Task;

namespace {
// In a frame of its own, which only the end of a pump has.
Task<void> cancel_receive(net::Stream& stream, net::Receive& receive) {
  stream.cancel_receive();
  Result<net::Chunk> last = co_await receive;
}
}  // namespace

Pump::Pump(Relay& relay, Side from, ByteView leftover) : relay_(relay), from_(from) {
  if (!leftover.empty()) read_ahead(leftover);
}

SessionParts& Pump::parts() { return relay_.parts(); }
Conversation& Pump::conversation() { return relay_.conversation(); }
bool Pump::is_over() const { return from_ == Side::client && relay_.is_over(); }

net::Stream& Pump::stream(Side side) {
  return side == Side::client ? *parts().client.stream : parts().lease.stream();
}

// ---------------------------------------------------------------- one chunk after the other

Task<void> Pump::run() {
  net::Receive receive(stream(from_));
  net::Receive::Arrival arrival(receive);
  if (from_ == Side::server) relay_.hand_receive_to(receive);
  Aside aside;
  Way way = Way::next;
  while (way == Way::next && !is_over()) {
    if (!read_ahead_) co_await arrival;
    way = take_turn(receive, aside);
    while (way == Way::syncs || way == Way::aside) {
      if (way == Way::syncs) {
        DurableWait& syncing = *pending_->sync;
        bool is_durable = co_await syncing;
        way = pass_durable(receive, is_durable, aside);
      } else {
        Task<bool>& running = *aside;
        bool goes_on = co_await running;
        aside.reset();
        way = goes_on ? pass_pending(receive, aside) : Way::over;
      }
    }
  }
  if (receive.is_started()) {
    auto cancelling = cancel_receive(stream(from_), receive);
    co_await cancelling;
  }
  if (from_ == Side::server) end_server();
}

void Pump::end_server() {
  relay_.server_has_ended();
  signal_.set();
}

Task<void> Pump::wait_until_ended() { co_await signal_; }

void Pump::read_ahead(ByteView bytes) {
  if (!read_ahead_) read_ahead_ = std::make_unique<std::string>();
  read_ahead_->append(bytes);
}

net::Chunk Pump::take_read_ahead() {
  if (!read_ahead_) return {};
  return net::Chunk::copy_of(*std::exchange(read_ahead_, nullptr));
}

// With the chunk that has come, or was read ahead.
Pump::Way Pump::take_turn(net::Receive& receive, Aside& aside) {
  net::Chunk chunk = take_read_ahead();
  if (chunk.bytes().empty()) {
    Result<net::Chunk> arrived = receive.await_resume();
    if (!arrived || arrived->bytes().empty()) {
      if (from_ == Side::client) note_client_end(arrived.has_value());
      return Way::over;
    }
    chunk = std::move(*arrived);
  }
  if (from_ == Side::server) {
    ServerLease& lease = parts().lease;
    if (lease.reset() != nullptr) return lease.reset()->take(chunk.bytes()) ? Way::next : Way::over;
    if (lease.is_being_named()) {
      const size_t begun = conversation().bytes_of_open_server_message(chunk.bytes());
      if (!lease.take_naming(chunk, begun)) return Way::over;
      if (chunk.bytes().empty()) return Way::next;
    }
  }
  return take_chunk(receive, std::move(chunk), aside);
}

Pump::Way Pump::take_chunk(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  // The next receive is armed while this chunk is sent: one more chunk at most is held.
  if (!expects_long_bodies_) receive.start();
  // What the server says by itself (NOTIFY, a setting that was reloaded) makes no session an active one.
  if (from_ == Side::client || !conversation().queue().is_idle()) relay_.note_active();
  if (from_ == Side::client && !relay_.renew_access()) {
    aside.emplace(wait_for_server(Until::it_ends));
    return Way::aside;
  }
  // Nearly always only its shard's lease is spent.
  SessionVolume& volume = parts().recorder.volume();
  if (from_ == Side::client && volume.is_spent() && volume.settle(parts().shard.core, true) > 0) {
    aside.emplace(wait_for_volume(receive, std::move(chunk)));
    return Way::aside;
  }
  size_t at = 0;
  Advance advance = inspect(chunk.bytes(), at);
  if (advance != Advance::all) {
    aside.emplace(wait_until_accepted(receive, std::move(chunk), at, advance));
    return Way::aside;
  }
  return pass_accepted(receive, std::move(chunk), aside);
}

Advance Pump::inspect(ByteView bytes, size_t& at) {
  return from_ == Side::client ? conversation().client_bytes(bytes, at, relay_.now())
                               : conversation().server_bytes(bytes, at, relay_.now());
}

// When a task has run: with the chunk that it was about, unless it passed that on itself.
Pump::Way Pump::pass_pending(net::Receive& receive, Aside& aside) {
  if (!pending_ || pending_->chunk.bytes().empty()) return Way::next;
  return pass_accepted(receive, std::move(pending_->chunk), aside);
}

Pump::Way Pump::pass_accepted(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  if (from_ == Side::server) {
    relay_.after_answers();
  } else if (needs_sync()) {
    pending().chunk = std::move(chunk);
    pending_->sync.emplace(parts().shard.core.disk_sync);
    return Way::syncs;
  }
  return pass_on(receive, std::move(chunk), aside);
}

Pump::Way Pump::pass_durable(net::Receive& receive, bool is_durable, Aside& aside) {
  net::Chunk chunk = std::move(pending_->chunk);
  if (!note_durable(is_durable)) return Way::over;
  return pass_on(receive, std::move(chunk), aside);
}

Pump::Way Pump::pass_on(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  // What was recorded behind the server's last word as not executed does not reach it either.
  if (from_ == Side::client && conversation().server_said_fatal()) return Way::over;
  ByteView bytes = from_ == Side::client ? conversation().to_server(chunk.bytes())
                                         : conversation().to_client(chunk.bytes());
  if (from_ == Side::client && relay_.keeps_back(bytes)) return Way::over;
  if (from_ == Side::server && parts().client.is_gone()) return Way::next;
  count(bytes.size());
  const bool has_body = relay_.can_splice() && body_follows(receive);
  if (from_ == Side::client && parts().lease.has_to_name(bytes)) {
    aside.emplace(pass_named(std::move(chunk), bytes, has_body));
    return Way::aside;
  }
  if (has_body) {
    aside.emplace(send_and_splice(std::move(chunk), bytes));
    return Way::aside;
  }
  net::Send sending(stream(other(from_)), bytes, chunk);
  if (!sending.begin()) {
    aside.emplace(wait_until_sent(std::move(chunk), std::move(sending)));
    return Way::aside;
  }
  return after_sent(sending.is_sent()) ? Way::next : Way::over;
}

// ---------------------------------------------------------------- waiting

Task<bool> Pump::wait_until_accepted(net::Receive& receive, net::Chunk chunk, size_t at, Advance advance) {
  ChunkWait wait(relay_, *this, receive, std::move(chunk));
  auto waiting = wait.until_accepted(at, advance);
  const bool goes_on = co_await waiting;
  if (goes_on) pending().chunk = wait.take_chunk();
  co_return goes_on;
}

Task<bool> Pump::wait_for_volume(net::Receive& receive, net::Chunk chunk) {
  ChunkWait wait(relay_, *this, receive, std::move(chunk));
  auto waiting = wait.until_volume();
  const bool goes_on = co_await waiting;
  if (goes_on) pending().chunk = wait.take_chunk();
  co_return goes_on;
}

Task<bool> Pump::wait_for_server(Until until) {
  while (!is_over() && (until == Until::it_ends || !conversation().is_clear())) {
    waits_ = true;
    co_await signal_;
    waits_ = false;
  }
  co_return !is_over();
}

bool Pump::needs_sync() const {
  return relay_.parts().shard.core.disk_sync.is_needed() && !relay_.is_durable();
}

bool Pump::note_durable(bool is_durable) {
  if (!is_durable) {
    relay_.end({"58030", "the audit trail cannot be made durable, so the statement is not forwarded",
                "The disk of the appliance's state_dir refuses to sync; see its log."});
    return false;
  }
  relay_.note_durable();
  return !is_over();
}

// ---------------------------------------------------------------- sending

// The client's bytes, behind the name of its session.
Task<bool> Pump::pass_named(net::Chunk chunk, ByteView bytes, bool has_body) {
  {
    auto naming = parts().lease.name(has_body ? nullptr : &bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  if (has_body) {
    auto passing = send_and_splice(std::move(chunk), bytes);
    bool goes_on = co_await passing;
    co_return goes_on;
  }
  net::Send sending(parts().lease.stream(), bytes, chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(sent.has_value());
}

Task<bool> Pump::wait_until_sent(net::Chunk chunk, net::Send sending) {
  sending.sends_from(chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(sent.has_value());
}

Task<bool> Pump::send_and_splice(net::Chunk chunk, ByteView bytes) {
  if (!bytes.empty() && bytes.size() <= net::Splice::head_bytes_max) {
    auto splicing = splice_body(bytes, &chunk);
    const Passed passed = co_await splicing;
    if (passed != Passed::not_begun) co_return passed == Passed::goes_on;
  }
  bytes.remove_prefix(stream(other(from_)).try_send(bytes, true));
  {
    net::Send sending(stream(other(from_)), bytes, chunk);
    Result<void> sent = co_await sending;
    if (!after_sent(sent.has_value())) co_return false;
  }
  chunk.reset();
  auto splicing = splice_body({}, nullptr);
  const Passed passed = co_await splicing;
  co_return passed == Passed::goes_on;
}

// What the server still has to say, its FATAL perhaps, is read by the other pump.
bool Pump::after_sent(bool is_sent) {
  if (from_ == Side::client) return is_sent;
  ClientEnd& client = parts().client;
  if (!is_sent) {
    client.note_gone();
    client.stream->shutdown();
  }
  client.is_at_boundary = conversation().server_is_at_boundary();
  return true;
}

void Pump::count(size_t bytes) {
  bytes_ += bytes;
  ShardCounters& counters = parts().shard.core.counters;
  (from_ == Side::client ? counters.bytes_to_server : counters.bytes_to_client).add(bytes);
}

void Pump::note_client_end(bool is_orderly) {
  // Unless it is the other pump that woke us, the client has closed.
  if (relay_.is_over()) return;
  if (is_orderly) parts().client.note_end();
  else parts().client.note_gone();
}

}  // namespace ringfence::proxy
