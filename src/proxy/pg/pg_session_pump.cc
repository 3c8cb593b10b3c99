// How what one side sends gets to the other: received, shown to the conversation, passed on, and what may
// have to be waited for in between. A pump's frame is there as long as its session, so it holds what waiting
// for the next chunk takes; all other waiting is done in tasks that are gone afterwards.
#include "pg_session.h"

namespace ringfence::proxy {

using ring::Task;

namespace {
// In a frame of its own, which only the end of a pump has.
Task<void> cancel_receive(net::Stream& stream, net::Receive& receive) {
  stream.cancel_receive();
  Result<net::Chunk> last = co_await receive;
}
}  // namespace

// One direction: receives, shows the conversation each chunk before it goes anywhere, passes the same bytes
// on.
Task<void> PgSession::pump(Side from) {
  net::Receive receive(stream(from), from == Side::client ? leftovers_->client : leftovers_->server);
  net::Receive::Arrival arrival(receive);
  if (from == Side::client) leftovers_.reset();  // The other pump has started before.
  else if (lease_.server().receive) receive.take_over(*std::exchange(lease_.server().receive, nullptr));
  Aside aside;
  Way way = Way::next;
  while (way == Way::next && !is_over(from)) {
    if (from == Side::server || !read_ahead_) co_await arrival;
    way = take_turn(from, receive, aside);
    while (way == Way::syncs || way == Way::aside) {
      if (way == Way::syncs) {
        DurableWait& syncing = *pending_[static_cast<size_t>(from)]->sync;
        bool is_durable = co_await syncing;
        way = pass_durable(receive, is_durable, aside);
      } else {
        Task<bool>& running = *aside;
        bool goes_on = co_await running;
        aside.reset();
        way = goes_on ? pass_pending(from, receive, aside) : Way::over;
      }
    }
  }
  if (receive.is_started()) {
    auto cancelling = cancel_receive(stream(from), receive);
    co_await cancelling;
  }
  if (from == Side::server) end_server_pump();
}

// With the chunk that has come, or was read while a statement waited.
PgSession::Way PgSession::take_turn(Side from, net::Receive& receive, Aside& aside) {
  net::Chunk chunk = take_read_ahead(from);
  if (chunk.bytes().empty()) {
    Result<net::Chunk> arrived = receive.await_resume();
    if (!arrived || arrived->bytes().empty()) {
      if (from == Side::client) note_client_end(arrived.has_value());
      return Way::over;
    }
    chunk = std::move(*arrived);
  }
  if (from == Side::server && reset_)
    return reset_->answer.take(chunk.bytes()) == OwnAnswer::State::open ? Way::next : Way::over;
  if (from == Side::server && is_being_named()) {
    if (!take_naming(chunk)) return Way::over;
    if (chunk.bytes().empty()) return Way::next;
  }
  // The next receive is armed while this chunk is sent: one more chunk at most is held.
  if (!long_bodies_[static_cast<size_t>(from)].are_expected) receive.start();
  // What the server says by itself (NOTIFY, a setting that was reloaded) makes no session an active one.
  if (from == Side::client || !conversation_->queue().is_idle()) {
    active_ns_ = shard_.core.shard.now_ns();
    active_us_ = shard_.core.shard.now_us();
  }
  if (from == Side::client && !access_.is_current(shard_) && !renew_access()) {
    aside.emplace(wait_for_server(Until::it_ends));
    return Way::aside;
  }
  if (from == Side::client && volume_.is_spent()) {
    // Nearly always only its shard's lease.
    if (volume_.settle(shard_) > 0) {
      aside.emplace(wait_for_volume(receive, std::move(chunk)));
      return Way::aside;
    }
  }
  size_t at = 0;
  Advance advance = inspect(from, chunk.bytes(), at);
  if (advance != Advance::all) {
    aside.emplace(wait_until_accepted(from, receive, std::move(chunk), at, advance));
    return Way::aside;
  }
  return pass_accepted(from, receive, std::move(chunk), aside);
}

net::Chunk& PgSession::pending_chunk(Side from) {
  std::unique_ptr<Pending>& pending = pending_[static_cast<size_t>(from)];
  if (!pending) pending = std::make_unique<Pending>();
  return pending->chunk;
}

// When a task has run: with the chunk that it was about, unless it passed that on itself.
PgSession::Way PgSession::pass_pending(Side from, net::Receive& receive, Aside& aside) {
  Pending* pending = pending_[static_cast<size_t>(from)].get();
  if (pending == nullptr || pending->chunk.bytes().empty()) return Way::next;
  return pass_accepted(from, receive, std::move(pending->chunk), aside);
}

PgSession::Way PgSession::pass_accepted(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside) {
  if (from == Side::server) {
    after_answers();
  } else if (shard_.core.disk_sync.is_needed() && conversation_->statements() != durable_statements_) {
    pending_chunk(from) = std::move(chunk);
    pending_[static_cast<size_t>(from)]->sync.emplace(shard_.core.disk_sync);
    return Way::syncs;
  }
  return pass_on(from, receive, std::move(chunk), aside);
}

PgSession::Way PgSession::pass_durable(net::Receive& receive, bool is_durable, Aside& aside) {
  net::Chunk chunk = std::move(pending_chunk(Side::client));
  if (!note_durable(is_durable)) return Way::over;
  return pass_on(Side::client, receive, std::move(chunk), aside);
}

PgSession::Way PgSession::pass_on(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside) {
  // What was recorded behind the server's last word as not executed does not reach it either.
  if (from == Side::client && conversation_->server_said_fatal()) return Way::over;
  ByteView bytes = from == Side::client ? conversation_->to_server(chunk.bytes())
                                        : conversation_->to_client(chunk.bytes());
  if (from == Side::client && keeps_back(bytes)) return Way::over;
  if (from == Side::server && client_.is_gone()) return Way::next;
  count(from, bytes.size());
  const bool has_body = can_splice_ && body_follows(from, receive);
  if (from == Side::client && has_to_name(bytes)) {
    aside.emplace(pass_named(std::move(chunk), bytes, has_body));
    return Way::aside;
  }
  if (has_body) {
    aside.emplace(send_and_splice(from, std::move(chunk), bytes));
    return Way::aside;
  }
  net::Send sending(stream(other(from)), bytes, chunk);
  if (!sending.begin()) {
    aside.emplace(wait_until_sent(from, std::move(chunk), std::move(sending)));
    return Way::aside;
  }
  return after_sent(from, sending.is_sent()) ? Way::next : Way::over;
}

// The client's bytes, behind the name of its session.
Task<bool> PgSession::pass_named(net::Chunk chunk, ByteView bytes, bool has_body) {
  {
    auto naming = send_naming(has_body ? nullptr : &bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  if (has_body) {
    auto passing = send_and_splice(Side::client, std::move(chunk), bytes);
    bool goes_on = co_await passing;
    co_return goes_on;
  }
  net::Send sending(lease_.stream(), bytes, chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(Side::client, sent.has_value());
}

Task<bool> PgSession::wait_until_sent(Side from, net::Chunk chunk, net::Send sending) {
  sending.sends_from(chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(from, sent.has_value());
}

Task<bool> PgSession::send_and_splice(Side from, net::Chunk chunk, ByteView bytes) {
  if (!bytes.empty() && bytes.size() <= net::Splice::head_bytes_max) {
    auto splicing = splice_body(from, bytes, &chunk);
    const Passed passed = co_await splicing;
    if (passed != Passed::not_begun) co_return passed == Passed::goes_on;
  }
  bytes.remove_prefix(stream(other(from)).try_send(bytes, true));
  {
    net::Send sending(stream(other(from)), bytes, chunk);
    Result<void> sent = co_await sending;
    if (!after_sent(from, sent.has_value())) co_return false;
  }
  chunk.reset();
  auto splicing = splice_body(from, {}, nullptr);
  const Passed passed = co_await splicing;
  co_return passed == Passed::goes_on;
}

// What the server still has to say, its FATAL perhaps, is read by the other pump.
bool PgSession::after_sent(Side from, bool is_sent) {
  if (from == Side::client) return is_sent;
  after_sent_to_client(is_sent);
  return true;
}

Advance PgSession::inspect(Side from, ByteView bytes, size_t& at) {
  return from == Side::client ? conversation_->client_bytes(bytes, at, now())
                              : conversation_->server_bytes(bytes, at, now());
}

void PgSession::count(Side from, size_t bytes) {
  if (from == Side::client) {
    bytes_to_server_ += bytes;
    shard_.core.counters.bytes_to_server.add(bytes);
  } else {
    bytes_to_client_ += bytes;
    shard_.core.counters.bytes_to_client.add(bytes);
  }
}

void PgSession::note_client_end(bool is_orderly) {
  // Unless it is the other pump that woke us, the client has closed.
  if (server_pump_is_over_ || end_reason_) return;
  if (is_orderly) client_.note_end();
  else client_.note_gone();
}

void PgSession::after_sent_to_client(bool is_sent) {
  if (!is_sent) {
    client_.note_gone();
    client_.stream->shutdown();
  }
  client_.is_at_boundary = conversation_->server_is_at_boundary();
}

void PgSession::end_server_pump() {
  server_pump_is_over_ = true;
  end_naming();
  if (!is_reset()) lease_.stream().shutdown();
  client_.stream->cancel_receive();
  wake_client_pump();
  if (hold_ != nullptr) hold_->end(HoldEnd::session_ended);
  server_pump_ended_.set();
}

// False: the session has to end, and why is set.
bool PgSession::note_durable(bool is_durable) {
  if (!is_durable) {
    end({"58030", "the audit trail cannot be made durable, so the statement is not forwarded",
         "The disk of the appliance's state_dir refuses to sync; see its log."});
    return false;
  }
  durable_statements_ = conversation_->statements();
  return !end_reason_ && !server_pump_is_over_;
}

// The client's next bytes wait for the server to answer all that it was sent, or are not wanted any more
// while what runs at the server still is. False: the session or the server's pump is over.
Task<bool> PgSession::wait_for_server(Until until) {
  while (!is_over(Side::client) && (until == Until::it_ends || !conversation_->is_clear())) {
    client_pump_waits_ = true;
    co_await client_pump_may_go_on_;
    client_pump_waits_ = false;
  }
  co_return !is_over(Side::client);
}

void PgSession::wake_client_pump() {
  if (client_pump_waits_) client_pump_may_go_on_.set();
}

// Until the conversation takes the rest of the chunk, which the pump then passes on. False: the session has
// to end, and why is set.
Task<bool> PgSession::wait_until_accepted(Side from, net::Receive& receive, net::Chunk chunk, size_t at,
                                          Advance advance) {
  while (advance != Advance::all) {
    if (advance == Advance::broken) {
      end(broken_by(from));
      co_return false;
    }
    // Whoever waits holds none of the shard's buffers.
    chunk.detach();
    if (from == Side::client) conversation_->move_chunk(chunk.bytes());
    else conversation_->move_server_chunk(chunk.bytes());
    if (advance == Advance::wait_answer || advance == Advance::wait_queue) {
      auto sending = send_so_far(chunk.bytes());
      bool is_sent = co_await sending;
      if (!is_sent) co_return false;
      auto waiting = wait_for_server(Until::it_has_answered);
      co_await waiting;
    } else if (advance == Advance::wait_analysis || advance == Advance::wait_hold) {
      auto parking = park(receive, chunk, advance);
      bool goes_on = co_await parking;
      if (!goes_on) {
        if (pending_end_) {
          auto ending = wait_for_server(Until::it_ends);
          co_await ending;
        }
        co_return false;
      }
    } else if (advance == Advance::wait_trail) {
      shard_.core.counters.trail_waits.add();
      auto waiting = shard_.core.room.wait();
      bool has_room = co_await waiting;
      if (!has_room) {
        shard_.core.counters.trail_refusals.add();
        end({"58030", "the audit trail cannot be written, so no statement is forwarded",
             "The appliance's /readyz says why; nothing of this session is lost from the trail."});
        co_return false;
      }
    }
    if (end_reason_ || (from == Side::client && server_pump_is_over_)) co_return false;
    // What waited is decided by the policies in force now; without access nothing goes on.
    if (from == Side::client && !access_.is_current(shard_) && conversation_->can_change_policies())
      renew_access();
    if (from == Side::client && pending_end_ && conversation_->can_change_policies()) {
      auto ending = wait_for_server(Until::it_ends);
      co_await ending;
      co_return false;
    }
    advance = inspect(from, chunk.bytes(), at);
  }
  pending_chunk(from) = std::move(chunk);
  co_return true;
}

// Of a chunk from the client, what stands before a message that has to wait. False: the session has to end,
// and why is set.
Task<bool> PgSession::send_so_far(ByteView chunk) {
  if (shard_.core.disk_sync.is_needed() && conversation_->statements() != durable_statements_) {
    DurableWait syncing(shard_.core.disk_sync);
    bool is_durable = co_await syncing;
    if (!note_durable(is_durable)) co_return false;
  }
  if (conversation_->server_said_fatal()) co_return false;
  ByteView bytes = conversation_->to_server_so_far(chunk);
  count(Side::client, bytes.size());
  if (has_to_name(bytes)) {
    auto naming = send_naming(&bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  net::Send sending(lease_.stream(), bytes);
  Result<void> sent = co_await sending;
  co_return sent.has_value();
}

}  // namespace ringfence::proxy
