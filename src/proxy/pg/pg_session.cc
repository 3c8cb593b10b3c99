#include "pg_session.h"

#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"
#include "ringfence/net/linger.h"
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
      snapshot_(shard.core.snapshot),
      policy_(snapshot_->find_listener(listener_->name)),
      limits_(snapshot_->limits),
      recorder_(shard.core.door),
      id_(shard.core.door.ids.uuid(shard.core.shard.now_us())),
      connected_us_(shard.core.shard.now_us()) {
  login_->client_addr = client_->peer();
  shard_.core.counters.connections_open.add();
  listener_->connections.fetch_add(1, std::memory_order_relaxed);
}

PgSession::~PgSession() {
  forget_cancel_key();
  if (watched_) shard_.watched.erase(this);
  if (target_sessions_) target_sessions_->fetch_sub(1, std::memory_order_relaxed);
  if (server_ && server_->ticket) shard_.core.counters.pool_in_use.subtract();
  listener_->connections.fetch_sub(1, std::memory_order_relaxed);
  shard_.core.counters.connections_open.subtract();
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
  shard.core.remove(session);
}

// A warm connection that its session had no use for.
Task<void> PgSession::let_go_of_server() {
  shard_.core.counters.pool_discards.add();
  server_->stream->shutdown();
  net::Receive& receive = *server_->receive;
  if (receive.is_started()) Result<net::Chunk> last = co_await receive;
}

// ---------------------------------------------------------------- the conversation

Task<void> PgSession::converse() {
  shard_.core.counters.sessions_open.add();
  shard_.core.counters.sessions_total.add();
  active_ns_ = shard_.core.shard.now_ns();
  active_us_ = shard_.core.shard.now_us();
  check_idle();
  if (shard_.core.is_draining) drain();
  if (conversation_->is_broken()) end(broken_by(Side::server));
  if (shard_.core.snapshot != snapshot_seen_) reconsider();
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
  shard_.core.counters.sessions_open.subtract();
}

// The client's pump is over; until the server's is.
Task<void> PgSession::wind_up() {
  std::optional<net::Deadline> deadline;
  if (can_give_back()) {
    deadline.emplace(shard_.core.shard, *server_->stream, pool_reset_ms);
    end_within(client_gone_ms);
    auto resetting = reset_server();
    co_await resetting;
  } else if (!server_pump_is_over_) {
    // As when the client were connected to the server itself: the server finishes what it was sent, then
    // reads the end.
    server_->stream->shutdown_write();
    deadline.emplace(shard_.core.shard, *server_->stream, client_gone_ms);
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

EndReason PgSession::broken_by(Side from) const {
  Error error = conversation_->error();
  if (conversation_->is_contradicted()) {
    return {std::string(pg::sqlstate::protocol_violation),
            "terminating connection: the server " + error.message,
            "What it ran is not known. The trail's event attribution_mismatch has both sides; "
            "attribution_witness of the "
            "target's configuration says what follows from it."};
  }
  if (from == Side::server && error.fault != Fault::denied) {
    return {std::string(pg::sqlstate::protocol_violation), "the server broke the protocol: " + error.message,
            ""};
  }
  if (error.fault == Fault::denied) {
    return {std::string(pg::sqlstate::insufficient_privilege), "terminating connection: " + error.message,
            "Set it back, or ask for access without restrictions."};
  }
  bool is_limit = error.fault == Fault::limit;
  if (conversation_->has_too_many_names()) {
    return {std::string(pg::sqlstate::configuration_limit_exceeded),
            "terminating connection: " + error.message,
            "Close those that are no longer used (DEALLOCATE, CLOSE), or raise limits.prepared_bytes_max of "
            "the appliance's "
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
  if (watched_ && std::exchange(watched_->is_doubtful, false)) shard_.watch->hurry(target_->name);
  name_again();
  if (conversation_->is_clear()) wake_client_pump();
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
  wake_client_pump();
  end_within(end_ms);
  if (hold_ != nullptr) hold_->end(HoldEnd::session_ended);
}

void PgSession::end_by(const EndOrder& order) {
  end({std::string(pg::sqlstate::admin_shutdown), order.message, order.hint});
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

void PgSession::forget_cancel_key() {
  if (cancel_process_id_) shard_.cancel_keys.remove(*cancel_process_id_, *this);
  cancel_process_id_.reset();
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
  if (hold_ != nullptr)
    active_ns_ = shard_.core.shard.now_ns();  // It waits for us; a hold has its own deadline.
  bool in_transaction = queue.transaction() != pg::TransactionStatus::idle;
  uint64_t allowed_ms = in_transaction ? limits_.idle_in_transaction_ms : limits_.idle_ms;
  uint64_t shortest_ms =
      std::min(limits_.idle_ms ? limits_.idle_ms : ~uint64_t{0},
               limits_.idle_in_transaction_ms ? limits_.idle_in_transaction_ms : ~uint64_t{0});
  if (shortest_ms == ~uint64_t{0}) return;
  uint64_t now_ns = shard_.core.shard.now_ns();
  uint64_t due_ns = active_ns_ + (allowed_ms > 0 ? allowed_ms : shortest_ms) * 1'000'000;
  if (allowed_ms > 0 && queue.is_idle() && now_ns >= due_ns) {
    shard_.core.counters.limits_reached.add();
    std::string time = std::to_string(allowed_ms) + " ms";
    if (in_transaction) {
      end({std::string(pg::sqlstate::idle_in_transaction_timeout),
           "terminating connection: idle in a transaction for " + time,
           "The bound is limits.idle_in_transaction_ms."});
    } else {
      end({std::string(pg::sqlstate::idle_session_timeout), "terminating connection: idle for " + time,
           "The bound is limits.idle_ms."});
    }
    return;
  }
  if (!idle_timer_)
    idle_timer_ = std::make_unique<ring::CallbackTimer>(shard_.core.shard.timers(), [this] { check_idle(); });
  idle_timer_->arm(std::max(due_ns, now_ns + shortest_ms * 1'000'000 / 4 + 1'000'000));
}

// What the client does not take until then it never will.
void PgSession::end_within(uint64_t ms) {
  if (!end_timer_)
    end_timer_ =
        std::make_unique<ring::CallbackTimer>(shard_.core.shard.timers(), [this] { client_->shutdown(); });
  end_timer_->arm(shard_.core.shard.now_ns() + ms * 1'000'000);
}

// Says goodbye to the client as far as it can still hear, closes, and records the end.
Task<void> PgSession::part() {
  bool is_orderly =
      conversation_->client_said_goodbye() || ((client_is_gone_ || client_has_ended_) && !end_reason_);
  bool can_speak = !client_is_gone_ && !is_orderly && client_is_at_boundary_;
  EndReason reason =
      end_reason_
          ? *end_reason_
          : EndReason{std::string(pg::sqlstate::connection_failure),
                      "the server of database \"" + std::string(database_) + "\" closed the connection",
                      "It may have been restarted or the connection cut; statements without an answer may or "
                      "may not have run."};
  bool was_ended_by_server = !end_reason_ && !is_orderly;
  if (can_speak && !conversation_->server_said_fatal()) {
    const std::string text = pg::text_for(reason.message, conversation_->client_encoding());
    const std::string hint = pg::text_for(reason.hint, conversation_->client_encoding());
    std::string message;
    pg::append_error_response(
        message, {.severity = "FATAL", .sqlstate = reason.sqlstate, .message = text, .hint = hint});
    // A client that does not read is not waited for.
    end_within(end_ms);
    auto sending = send(std::move(message));
    Result<void> sent = co_await sending;
  }
  auto done = event(Category::authentication, "postgres_disconnect",
                    was_ended_by_server || end_reason_ ? Severity::warning : Severity::info,
                    was_ended_by_server ? Outcome::failure : Outcome::success);
  done.integer(Tag::duration_us, static_cast<int64_t>(shard_.core.shard.now_us() - connected_us_));
  done.integer(Tag::bytes_to_client, static_cast<int64_t>(bytes_to_client_));
  done.integer(Tag::bytes_to_server, static_cast<int64_t>(bytes_to_server_));
  done.text(Tag::metadata, "{\"statements\":" + std::to_string(conversation_->statements()) + "}");
  if (end_reason_ || was_ended_by_server) {
    done.text(Tag::sqlstate, reason.sqlstate);
    done.text(Tag::reason, reason.message);
  } else {
    done.text(Tag::reason,
              conversation_->client_said_goodbye() ? "client terminated" : "client closed the connection");
  }
  recorder_.publish(std::move(done));
  shard_.core.counters.answers_unmatched.add(conversation_->queue().misfits());
  part_from_server();
  // To a client that has said goodbye there is no last word that could be lost, and what it was sent before
  // is the kernel's. TLS has a last word of its own.
  if (conversation_->client_said_goodbye() && !end_reason_ && tls_ == nullptr) {
    if (end_timer_) end_timer_->cancel();
    client_->shutdown();
    co_return;
  }
  auto lingering = linger();
  co_await lingering;
}

// Reads on for a moment after our last word: a socket closed with unread bytes resets the connection, and the
// word would be lost on its way.
Task<void> PgSession::linger() {
  if (end_timer_) end_timer_->cancel();
  // No word that could be lost was said. TLS has one of its own.
  if (has_no_answer_ && tls_ == nullptr) {
    client_->shutdown();
    co_return;
  }
  if (!client_is_gone_) {
    net::Deadline deadline(shard_.core.shard, *client_, linger_ms);
    auto lingering = net::linger(*client_, linger_bytes_max);
    co_await lingering;
  }
  client_->shutdown();
}

model::SessionInfo PgSession::info() const {
  model::SessionInfo out;
  out.id = id_;
  out.user = user_;
  out.target = target_ != nullptr ? target_->name : "";
  out.database = database_;
  out.client_addr = recorder_.client_addr();
  out.application_name = recorder_.application_name();
  out.shard = shard_.core.options.index;
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
    uint64_t now_ns = shard_.core.shard.now_ns();
    uint64_t ago_us = now_ns > running->since_ns ? (now_ns - running->since_ns) / 1000 : 0;
    out.running_since_us = shard_.core.shard.now_us() - ago_us;
  }
  return out;
}

}  // namespace ringfence::proxy
