#include "pg_session.h"

#include "ringfence/base/log.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

PgSession::PgSession(PgShardState& shard, std::unique_ptr<net::Stream> client,
                     std::shared_ptr<ListenerFacts> listener)
    : shard_(shard),
      client_(std::move(client)),
      listener_(std::move(listener)),
      snapshot_(shard.snapshot),
      policy_(snapshot_->find_listener(listener_->name)),
      limits_(snapshot_->limits),
      recorder_(shard.space, shard.ids, shard.counters, shard.deferred),
      id_(shard.ids.uuid(shard.shard.now_us())),
      connected_us_(shard.shard.now_us()) {
  login_->client_addr = client_->peer();
  shard_.counters.connections_open.add();
  listener_->connections.fetch_add(1, std::memory_order_relaxed);
}

PgSession::~PgSession() {
  if (cancel_id_ != 0) shard_.cancel_keys.erase(cancel_id_);
  if (target_sessions_) target_sessions_->fetch_sub(1, std::memory_order_relaxed);
  if (server_ && server_->ticket) shard_.counters.pool_in_use.subtract();
  crypto::secure_zero(cancel_key_);
  listener_->connections.fetch_sub(1, std::memory_order_relaxed);
  shard_.counters.connections_open.subtract();
}

Task<void> PgSession::live(PgShardState& shard, PgSession& session) {
  bool is_in = false;
  {
    auto logging_in = session.log_in();
    is_in = co_await logging_in;
  }
  if (is_in) {
    auto conversing = session.converse();
    co_await conversing;
  } else if (session.server_ && session.server_->receive) {
    auto letting_go = session.let_go_of_server();
    co_await letting_go;
  }
  {
    auto parting = is_in ? session.part() : session.linger();
    co_await parting;
  }
  shard.remove(session);
}

// A warm connection that its session had no use for.
Task<void> PgSession::let_go_of_server() {
  shard_.counters.pool_discards.add();
  server_->stream->shutdown();
  net::Receive& receive = *server_->receive;
  if (receive.is_started()) Result<net::Chunk> last = co_await receive;
}

// ---------------------------------------------------------------- the conversation

Task<void> PgSession::converse() {
  shard_.counters.sessions_open.add();
  shard_.counters.sessions_total.add();
  active_ns_ = shard_.shard.now_ns();
  active_us_ = shard_.shard.now_us();
  check_idle();
  if (shard_.is_draining) drain();
  if (conversation_->is_broken()) end(broken_by(Side::server));
  if (shard_.snapshot != snapshot_seen_) reconsider();
  can_splice_ = client_->can_splice() && server_->stream->can_splice();
  ring::spawn(pump(Side::server));
  {
    auto pumping = pump(Side::client);
    co_await pumping;
  }
  {
    auto winding_up = wind_up();
    co_await winding_up;
  }
  if (idle_timer_) idle_timer_->cancel();
  conversation_->abandon(now());
  shard_.counters.sessions_open.subtract();
}

// The client's pump is over; until the server's is.
Task<void> PgSession::wind_up() {
  std::optional<net::Deadline> deadline;
  if (can_give_back()) {
    deadline.emplace(shard_.shard, *server_->stream, pool_reset_ms);
    end_within(client_gone_ms);
    auto resetting = reset_server();
    co_await resetting;
  } else if (!server_pump_is_over_) {
    // As when the client were connected to the server itself: the server finishes what it was sent, then reads the
    // end.
    server_->stream->shutdown_write();
    deadline.emplace(shard_.shard, *server_->stream, client_gone_ms);
    // A client that only ended its own direction still gets its answers, if it reads them.
    end_within(client_gone_ms);
  }
  // Set as the other pump's very last act: before that this session may not go away.
  co_await server_pump_ended_;
  if (naming_ && naming_->state == Naming::State::sending) {
    ring::Event& sent = naming_->sent;
    co_await sent;
  }
  if (reset_) reset_->is_late = deadline->has_passed();
}

namespace {
// In a frame of its own, which only the end of a pump has.
Task<void> cancel_receive(net::Stream& stream, net::Receive& receive) {
  stream.cancel_receive();
  Result<net::Chunk> last = co_await receive;
}
}  // namespace

// One direction: receives, shows the conversation each chunk before it goes anywhere, passes the same bytes on. Its frame
// is there as long as the session: it holds what waiting for the next chunk takes, and whatever else may have to be
// waited for is a task of its own.
Task<void> PgSession::pump(Side from) {
  net::Receive receive(stream(from), from == Side::client ? login_->client_leftover : login_->server_leftover);
  net::Receive::Arrival arrival(receive);
  if (from == Side::client) login_.reset();  // The other pump has started before.
  else if (server_->receive) receive.take_over(*std::exchange(server_->receive, nullptr));
  Aside aside;
  Way way = Way::next;
  while (way == Way::next && !is_over(from)) {
    if (from == Side::server || !read_ahead_) co_await arrival;
    way = take_turn(from, receive, aside);
    if (way == Way::syncs) {
      DurableWait& syncing = *syncing_->wait;
      bool is_durable = co_await syncing;
      way = pass_durable(receive, is_durable, aside);
    }
    if (way == Way::aside) {
      Task<bool>& running = *aside;
      bool goes_on = co_await running;
      aside.reset();
      way = goes_on ? Way::next : Way::over;
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
  if (from == Side::server && reset_) return reset_->answer.take(chunk.bytes()) == OwnAnswer::State::open ? Way::next : Way::over;
  if (from == Side::server && is_being_named()) {
    if (!take_naming(chunk)) return Way::over;
    if (chunk.bytes().empty()) return Way::next;
  }
  // The next receive is armed while this chunk is sent: one more chunk at most is held.
  if (!long_bodies_[static_cast<size_t>(from)].are_expected) receive.start();
  active_ns_ = shard_.shard.now_ns();
  active_us_ = shard_.shard.now_us();
  if (from == Side::client && shard_.snapshot != snapshot_seen_ && !renew_access()) {
    aside.emplace(wait_for_end());
    return Way::aside;
  }
  size_t at = 0;
  Advance advance = inspect(from, chunk.bytes(), at);
  if (advance != Advance::all) {
    aside.emplace(pass_when_accepted(from, receive, std::move(chunk), at, advance));
    return Way::aside;
  }
  return pass_accepted(from, receive, std::move(chunk), aside);
}

Task<bool> PgSession::pass_when_accepted(Side from, net::Receive& receive, net::Chunk chunk, size_t at, Advance advance) {
  {
    auto waiting = wait_until_accepted(from, receive, chunk, at, advance);
    bool is_accepted = co_await waiting;
    if (!is_accepted) co_return false;
  }
  Aside aside;
  Way way = pass_accepted(from, receive, std::move(chunk), aside);
  if (way == Way::syncs) {
    DurableWait& syncing = *syncing_->wait;
    bool is_durable = co_await syncing;
    way = pass_durable(receive, is_durable, aside);
  }
  if (way == Way::aside) {
    Task<bool>& running = *aside;
    bool goes_on = co_await running;
    co_return goes_on;
  }
  co_return way == Way::next;
}

PgSession::Way PgSession::pass_accepted(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside) {
  if (from == Side::server) {
    after_answers();
  } else if (shard_.options.sync && conversation_->statements() != durable_statements_) {
    if (!syncing_) syncing_ = std::make_unique<Syncing>();
    syncing_->wait.emplace(shard_);
    syncing_->chunk = std::move(chunk);
    return Way::syncs;
  }
  return pass_on(from, receive, std::move(chunk), aside);
}

PgSession::Way PgSession::pass_durable(net::Receive& receive, bool is_durable, Aside& aside) {
  net::Chunk chunk = std::move(syncing_->chunk);
  if (!note_durable(is_durable)) return Way::over;
  return pass_on(Side::client, receive, std::move(chunk), aside);
}

PgSession::Way PgSession::pass_on(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside) {
  // What was recorded behind the server's last word as not executed does not reach it either.
  if (from == Side::client && conversation_->server_said_fatal()) return Way::over;
  ByteView bytes =
      from == Side::client ? conversation_->to_server(chunk.bytes()) : conversation_->to_client(chunk.bytes());
  if (from == Side::client && keeps_back(bytes)) return Way::over;
  if (from == Side::server && client_is_gone_) return Way::next;
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
  net::Send sending(*server_->stream, bytes, chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(Side::client, sent.has_value());
}

Task<bool> PgSession::wait_until_sent(Side from, net::Chunk chunk, net::Send sending) {
  sending.sends_from(chunk);
  Result<void> sent = co_await sending;
  co_return after_sent(from, sent.has_value());
}

Task<bool> PgSession::send_and_splice(Side from, net::Chunk chunk, ByteView bytes) {
  bytes.remove_prefix(stream(other(from)).try_send(bytes, true));
  {
    net::Send sending(stream(other(from)), bytes, chunk);
    Result<void> sent = co_await sending;
    if (!after_sent(from, sent.has_value())) co_return false;
  }
  chunk.reset();
  auto splicing = splice_body(from);
  bool goes_on = co_await splicing;
  co_return goes_on;
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
    shard_.counters.bytes_to_server.add(bytes);
  } else {
    bytes_to_client_ += bytes;
    shard_.counters.bytes_to_client.add(bytes);
  }
}

void PgSession::note_client_end(bool is_orderly) {
  // Unless it is the other pump that woke us, the client has closed.
  if (!server_pump_is_over_ && !end_reason_) (is_orderly ? client_has_ended_ : client_is_gone_) = true;
}

void PgSession::after_sent_to_client(bool is_sent) {
  if (!is_sent) {
    client_is_gone_ = true;
    client_->shutdown();
  }
  client_is_at_boundary_ = conversation_->server_is_at_boundary();
}

void PgSession::end_server_pump() {
  server_pump_is_over_ = true;
  end_naming();
  if (!is_reset()) server_->stream->shutdown();
  client_->cancel_receive();
  if (client_pump_waits_for_queue_) queue_has_room_.set();
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

// The client's bytes are not wanted any more, but what runs at the server still is. False: nothing goes on.
Task<bool> PgSession::wait_for_end() {
  while (!end_reason_ && !server_pump_is_over_) {
    client_pump_waits_for_queue_ = true;
    co_await queue_has_room_;
    client_pump_waits_for_queue_ = false;
  }
  co_return false;
}

// Until the conversation takes the rest of the chunk. False: the session has to end, and why is set.
Task<bool> PgSession::wait_until_accepted(Side from, net::Receive& receive, net::Chunk& chunk, size_t at,
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
      while (!conversation_->is_clear() && !end_reason_ && !server_pump_is_over_) {
        client_pump_waits_for_queue_ = true;
        co_await queue_has_room_;
        client_pump_waits_for_queue_ = false;
      }
    } else if (advance == Advance::wait_analysis || advance == Advance::wait_hold) {
      auto parking = park(receive, chunk, advance);
      bool goes_on = co_await parking;
      if (!goes_on) {
        if (pending_end_) {
          auto ending = wait_for_end();
          co_await ending;
        }
        co_return false;
      }
    } else if (advance == Advance::wait_trail) {
      shard_.counters.trail_waits.add();
      auto waiting = shard_.wait_for_room();
      bool has_room = co_await waiting;
      if (!has_room) {
        shard_.counters.trail_refusals.add();
        end({"58030", "the audit trail cannot be written, so no statement is forwarded",
             "The appliance's /readyz says why; nothing of this session is lost from the trail."});
        co_return false;
      }
    }
    if (end_reason_ || (from == Side::client && server_pump_is_over_)) co_return false;
    // What waited is decided by the policies in force now; without access nothing goes on.
    if (from == Side::client && shard_.snapshot != snapshot_seen_ && conversation_->can_change_policies()) renew_access();
    if (from == Side::client && pending_end_ && conversation_->can_change_policies()) {
      auto ending = wait_for_end();
      co_await ending;
      co_return false;
    }
    advance = inspect(from, chunk.bytes(), at);
  }
  co_return true;
}

// Of a chunk from the client, what stands before a message that has to wait. False: the session has to end, and why is set.
Task<bool> PgSession::send_so_far(ByteView chunk) {
  if (shard_.options.sync && conversation_->statements() != durable_statements_) {
    DurableWait syncing(shard_);
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
  net::Send sending(*server_->stream, bytes);
  Result<void> sent = co_await sending;
  co_return sent.has_value();
}

EndReason PgSession::broken_by(Side from) const {
  Error error = conversation_->error();
  if (from == Side::server && error.fault != Fault::denied) {
    return {std::string(pg::sqlstate::protocol_violation), "the server broke the protocol: " + error.message, ""};
  }
  if (error.fault == Fault::denied) {
    return {std::string(pg::sqlstate::insufficient_privilege), "terminating connection: " + error.message,
            "Set it back, or ask for access without restrictions."};
  }
  bool is_limit = error.fault == Fault::limit;
  if (conversation_->has_too_many_names()) {
    return {std::string(pg::sqlstate::configuration_limit_exceeded), "terminating connection: " + error.message,
            "Close those that are no longer used (DEALLOCATE, CLOSE), or raise limits.prepared_bytes_max of the appliance's "
            "configuration."};
  }
  return {std::string(is_limit ? pg::sqlstate::program_limit_exceeded : pg::sqlstate::protocol_violation),
          error.message,
          is_limit ? "The bound is limits.message_bytes_max of the appliance's configuration." : ""};
}

void PgSession::after_answers() {
  const bool is_in_transaction = conversation_->queue().transaction() != pg::TransactionStatus::idle;
  if (is_in_transaction != (transaction_since_us_ != 0)) {
    transaction_since_us_ = is_in_transaction ? active_us_ : 0;
    if (is_in_transaction && hold_ != nullptr) note_transaction_while_held();
  }
  if (is_draining_) drain();
  if (pending_end_ && conversation_->server_is_idle()) end(*pending_end_);
  if (client_pump_waits_for_queue_ && conversation_->is_clear()) queue_has_room_.set();
}

// ---------------------------------------------------------------- ending

void PgSession::end(const EndReason& reason) {
  if (end_reason_) return;
  // The session is over, and not by us: only its connection is still there.
  if (reset_) {
    break_off_reset({});
    return;
  }
  end_reason_ = std::make_unique<EndReason>(reason);
  if (!conversation_) {
    client_->shutdown();
    return;
  }
  if (!conversation_->server_is_idle()) ring::spawn(cancel());
  // Both pumps end by this; a client that does not read what is being sent to it is cut off.
  if (server_) server_->stream->shutdown();
  client_->cancel_receive();
  if (client_pump_waits_for_queue_) queue_has_room_.set();
  end_within(end_ms);
  if (hold_ != nullptr) hold_->end(HoldEnd::session_ended);
}

void PgSession::drain() {
  is_draining_ = true;
  if (!conversation_) return;
  const pg::ResponseQueue& queue = conversation_->queue();
  // A parked statement may wait for long, and its transaction with it.
  const bool is_in_transaction = queue.transaction() != pg::TransactionStatus::idle && hold_ == nullptr;
  if (!conversation_->server_is_idle() || is_in_transaction) return;
  end({std::string(pg::sqlstate::admin_shutdown), "terminating connection: the appliance is shutting down",
       "Connect again in a moment."});
}

Task<void> PgSession::cancel() {
  was_cancelled_ = true;
  if (!server_ || server_->cancel_key.empty()) co_return;
  auto cancelling = cancel_upstream(shard_, server_->place, server_->process_id, server_->cancel_key);
  co_await cancelling;
}

void PgSession::check_idle() {
  if (!conversation_ || end_reason_ || reset_) return;
  const pg::ResponseQueue& queue = conversation_->queue();
  if (hold_ != nullptr) active_ns_ = shard_.shard.now_ns();  // It waits for us; a hold has its own deadline.
  bool in_transaction = queue.transaction() != pg::TransactionStatus::idle;
  uint64_t allowed_ms = in_transaction ? limits_.idle_in_transaction_ms : limits_.idle_ms;
  uint64_t shortest_ms = std::min(limits_.idle_ms ? limits_.idle_ms : ~uint64_t{0},
                                  limits_.idle_in_transaction_ms ? limits_.idle_in_transaction_ms : ~uint64_t{0});
  if (shortest_ms == ~uint64_t{0}) return;
  uint64_t now_ns = shard_.shard.now_ns();
  uint64_t due_ns = active_ns_ + (allowed_ms > 0 ? allowed_ms : shortest_ms) * 1'000'000;
  if (allowed_ms > 0 && queue.is_idle() && now_ns >= due_ns) {
    shard_.counters.limits_reached.add();
    std::string time = std::to_string(allowed_ms) + " ms";
    if (in_transaction) {
      end({std::string(pg::sqlstate::idle_in_transaction_timeout),
           "terminating connection: idle in a transaction for " + time, "The bound is limits.idle_in_transaction_ms."});
    } else {
      end({std::string(pg::sqlstate::idle_session_timeout), "terminating connection: idle for " + time,
           "The bound is limits.idle_ms."});
    }
    return;
  }
  if (!idle_timer_) idle_timer_ = std::make_unique<ring::CallbackTimer>(shard_.shard.timers(), [this] { check_idle(); });
  idle_timer_->arm(std::max(due_ns, now_ns + shortest_ms * 1'000'000 / 4 + 1'000'000));
}

// What the client does not take until then it never will.
void PgSession::end_within(uint64_t ms) {
  if (!end_timer_) end_timer_ = std::make_unique<ring::CallbackTimer>(shard_.shard.timers(), [this] { client_->shutdown(); });
  end_timer_->arm(shard_.shard.now_ns() + ms * 1'000'000);
}

// Says goodbye to the client as far as it can still hear, closes, and records the end.
Task<void> PgSession::part() {
  bool is_orderly =
      conversation_->client_said_goodbye() || ((client_is_gone_ || client_has_ended_) && !end_reason_);
  bool can_speak = !client_is_gone_ && !is_orderly && client_is_at_boundary_;
  EndReason reason = end_reason_ ? *end_reason_ : EndReason{
      std::string(pg::sqlstate::connection_failure), "the server of database \"" + std::string(database_) + "\" closed the connection",
      "It may have been restarted or the connection cut; statements without an answer may or may not have run."};
  bool was_ended_by_server = !end_reason_ && !is_orderly;
  if (can_speak && !conversation_->server_said_fatal()) {
    std::string message;
    pg::append_error_response(message, {.severity = "FATAL",
                                        .sqlstate = reason.sqlstate,
                                        .message = reason.message,
                                        .hint = reason.hint});
    // A client that does not read is not waited for.
    end_within(end_ms);
    auto sending = send(std::move(message));
    Result<void> sent = co_await sending;
  }
  auto done = event(Category::authentication, "postgres_disconnect",
                    was_ended_by_server || end_reason_ ? Severity::warning : Severity::info,
                    was_ended_by_server ? Outcome::failure : Outcome::success);
  done.integer(Tag::duration_us, static_cast<int64_t>(shard_.shard.now_us() - connected_us_));
  done.integer(Tag::bytes_to_client, static_cast<int64_t>(bytes_to_client_));
  done.integer(Tag::bytes_to_server, static_cast<int64_t>(bytes_to_server_));
  done.text(Tag::metadata, "{\"statements\":" + std::to_string(conversation_->statements()) + "}");
  if (end_reason_ || was_ended_by_server) {
    done.text(Tag::sqlstate, reason.sqlstate);
    done.text(Tag::reason, reason.message);
  } else {
    done.text(Tag::reason, conversation_->client_said_goodbye() ? "client terminated" : "client closed the connection");
  }
  recorder_.publish(std::move(done));
  shard_.counters.answers_unmatched.add(conversation_->queue().misfits());
  part_from_server();
  // To a client that has said goodbye there is no last word that could be lost, and what it was sent before is the kernel's.
  // TLS has a last word of its own.
  if (conversation_->client_said_goodbye() && !end_reason_ && tls_ == nullptr) {
    if (end_timer_) end_timer_->cancel();
    client_->shutdown();
    co_return;
  }
  auto lingering = linger();
  co_await lingering;
}

// Reads on for a moment after our last word: a socket closed with unread bytes resets the connection, and the word
// would be lost on its way.
Task<void> PgSession::linger() {
  if (end_timer_) end_timer_->cancel();
  if (!client_is_gone_) client_->shutdown_write();
  net::Deadline deadline(shard_.shard, *client_, linger_ms);
  size_t drained = 0;
  while (!client_is_gone_ && drained < linger_bytes_max) {
    net::Receive receive(*client_);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    drained += chunk->bytes().size();
  }
  client_->shutdown();
}

SessionInfo PgSession::info() const {
  SessionInfo out;
  out.id = id_;
  out.user = user_;
  out.target = target_ != nullptr ? target_->name : "";
  out.database = database_;
  out.client_addr = recorder_.client_addr();
  out.application_name = recorder_.application_name();
  out.shard = shard_.options.index;
  out.connected_at_us = connected_us_;
  out.last_activity_us = active_us_;
  out.statements = conversation_->statements();
  out.tls = tls_ != nullptr;
  out.bytes_to_client = bytes_to_client_;
  out.bytes_to_server = bytes_to_server_;
  const pg::ResponseQueue& queue = conversation_->queue();
  if (hold_ != nullptr) out.state = "held";
  else if (!queue.is_idle()) out.state = "active";
  else if (queue.transaction() == pg::TransactionStatus::idle) out.state = "idle";
  else if (queue.transaction() == pg::TransactionStatus::failed) out.state = "idle_in_failed_transaction";
  else out.state = "idle_in_transaction";
  if (auto running = queue.running()) {
    uint64_t now_ns = shard_.shard.now_ns();
    uint64_t ago_us = now_ns > running->since_ns ? (now_ns - running->since_ns) / 1000 : 0;
    out.running_since_us = shard_.shard.now_us() - ago_us;
  }
  return out;
}

}  // namespace ringfence::proxy
