#include "pump.h"

#include "chunk_wait.h"
#include "relay.h"

namespace ringfence::proxy {

using ring::Task;

namespace {
// In a frame of its own, which only the end of a pump has. False: nothing comes behind it.
Task<bool> cancel_receive(net::Stream& stream, net::Receive& receive) {
  stream.cancel_receive();
  Result<net::Chunk> last = co_await receive;
  co_return false;
}
}  // namespace

Pump::Pump(Relay& relay, Side from, ByteView leftover) : outlet_(relay, from) {
  read_ahead_.append(leftover);
}

Conversation& Pump::conversation() const { return relay().conversation(); }
bool Pump::is_over() const { return from() == Side::client && relay().is_over(); }

// ---------------------------------------------------------------- one chunk after the other

Task<void> Pump::run() {
  net::Receive receive(outlet_.input());
  net::Receive::Arrival arrival(receive);
  if (from() == Side::server) relay().parts().lease.server().hand_receive_to(receive);
  Aside aside;
  Way way = go_on(Way::next, receive, aside);
  while (way != Way::over) {
    if (way == Way::next) {
      if (read_ahead_.is_empty()) co_await arrival;
      way = take_turn(receive, aside);
    } else if (way == Way::syncs) {
      DurableWait& syncing = *pending_->sync;
      bool is_durable = co_await syncing;
      way = pass_durable(receive, is_durable, aside);
    } else {
      Task<bool>& running = *aside;
      is_aside_ = true;
      bool goes_on = co_await running;
      is_aside_ = false;
      aside.reset();
      way = goes_on ? pass_pending(receive, aside) : Way::over;
    }
    way = go_on(way, receive, aside);
  }
  if (from() == Side::server) end_server();
}

// The same way, unless the side has ended: then, and where it is over, what is received is cancelled first.
Pump::Way Pump::go_on(Way way, net::Receive& receive, Aside& aside) {
  if (way == Way::next && is_over()) way = Way::over;
  if (way != Way::over || !receive.is_started()) return way;
  aside.emplace(cancel_receive(outlet_.input(), receive));
  return Way::aside;
}

void Pump::end_server() {
  relay().server_has_ended();
  signal_.set();
}

Task<void> Pump::wait_until_ended() { co_await signal_; }

// With the chunk that has come, or was read ahead.
Pump::Way Pump::take_turn(net::Receive& receive, Aside& aside) {
  net::Chunk chunk = read_ahead_.take();
  if (chunk.bytes().empty()) {
    Result<net::Chunk> arrived = receive.await_resume();
    if (!arrived || arrived->bytes().empty()) {
      if (from() == Side::client) note_client_end(arrived.has_value());
      return Way::over;
    }
    chunk = std::move(*arrived);
  }
  if (from() == Side::server) {
    ServerLease& lease = relay().parts().lease;
    if (lease.reset() != nullptr) return lease.reset()->take(chunk.bytes()) ? Way::next : Way::over;
    if (lease.naming().is_awaited()) {
      const size_t begun = conversation().server().bytes_of_open_message(chunk.bytes());
      if (!lease.naming().take(chunk, begun)) return Way::over;
      if (chunk.bytes().empty()) return Way::next;
    }
  }
  return take_chunk(receive, std::move(chunk), aside);
}

Pump::Way Pump::take_chunk(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  // The next receive is armed while this chunk is sent: one more chunk at most is held.
  if (!outlet_.expects_long_bodies()) receive.start();
  // What the server says by itself (NOTIFY, a setting that was reloaded) makes no session an active one.
  if (from() == Side::client || !conversation().queue().is_idle())
    relay().idle().note_active(relay().parts().now());
  if (from() == Side::client && !relay().renew_access()) {
    aside.emplace(wait_for_server(Until::it_ends));
    return Way::aside;
  }
  // Nearly always only its shard's lease is spent.
  SessionVolume& volume = relay().parts().recorder.volume();
  if (from() == Side::client && volume.is_spent() && volume.settle(relay().parts().shard.core, true) > 0) {
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
  const Now now = relay().parts().now();
  return from() == Side::client ? conversation().client().advance(bytes, at, now)
                                : conversation().server().advance(bytes, at, now);
}

// When a task has run: with the chunk that it was about, unless it passed that on itself.
Pump::Way Pump::pass_pending(net::Receive& receive, Aside& aside) {
  if (!pending_ || pending_->chunk.bytes().empty()) return Way::next;
  return pass_accepted(receive, std::move(pending_->chunk), aside);
}

Pump::Way Pump::pass_accepted(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  if (from() == Side::server) {
    relay().after_answers();
  } else if (relay().durable().are_due(relay())) {
    pending().chunk = std::move(chunk);
    pending_->sync.emplace(relay().parts().shard.core.disk_sync);
    return Way::syncs;
  }
  return pass_on(receive, std::move(chunk), aside);
}

Pump::Way Pump::pass_durable(net::Receive& receive, bool is_durable, Aside& aside) {
  net::Chunk chunk = std::move(pending_->chunk);
  if (!relay().durable().note_sync(relay(), is_durable)) return Way::over;
  return pass_on(receive, std::move(chunk), aside);
}

Pump::Way Pump::pass_on(net::Receive& receive, net::Chunk chunk, Aside& aside) {
  const bool is_client = from() == Side::client;
  // What was recorded behind the server's last word as not executed does not reach it either.
  if (is_client && conversation().server().said_fatal()) return Way::over;
  const ByteView bytes = is_client ? conversation().client().to_server(chunk.bytes())
                                   : conversation().server().to_client(chunk.bytes());
  if (is_client && relay().keeps_back(bytes)) return Way::over;
  if (!is_client && relay().parts().client.is_gone()) return Way::next;
  outlet_.count(bytes.size());
  const bool has_body = outlet_.has_body_behind(receive.is_started() || !read_ahead_.is_empty());
  if (is_client && relay().parts().lease.naming().goes_before(bytes)) {
    aside.emplace(outlet_.send_named(std::move(chunk), bytes, has_body));
    return Way::aside;
  }
  if (has_body) {
    aside.emplace(outlet_.send_and_splice(std::move(chunk), bytes));
    return Way::aside;
  }
  net::Send sending(outlet_.output(), bytes, chunk);
  if (!sending.begin()) {
    aside.emplace(outlet_.send_rest(std::move(chunk), std::move(sending)));
    return Way::aside;
  }
  return outlet_.note_sent(sending.is_sent()) ? Way::next : Way::over;
}

// ---------------------------------------------------------------- waiting

Task<bool> Pump::wait_until_accepted(net::Receive& receive, net::Chunk chunk, size_t at, Advance advance) {
  ChunkWait wait(relay(), *this, receive, std::move(chunk));
  auto waiting = wait.until_accepted(at, advance);
  const bool goes_on = co_await waiting;
  if (goes_on) pending().chunk = wait.take_chunk();
  co_return goes_on;
}

Task<bool> Pump::wait_for_volume(net::Receive& receive, net::Chunk chunk) {
  ChunkWait wait(relay(), *this, receive, std::move(chunk));
  auto waiting = wait.until_volume();
  const bool goes_on = co_await waiting;
  if (goes_on) pending().chunk = wait.take_chunk();
  co_return goes_on;
}

Task<bool> Pump::wait_for_server(Until until) {
  while (!is_over() && (until == Until::it_ends || !conversation().client().is_clear())) {
    waits_ = true;
    co_await signal_;
    waits_ = false;
  }
  co_return !is_over();
}

void Pump::note_client_end(bool is_orderly) {
  // Unless it is the other pump that woke us, the client has closed.
  if (relay().is_over()) return;
  if (is_orderly) relay().parts().client.note_end();
  else relay().parts().client.note_gone();
}

}  // namespace ringfence::proxy
