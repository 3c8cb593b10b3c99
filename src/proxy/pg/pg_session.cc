#include "pg_session.h"

#include "pg_login.h"
#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"
#include "ringfence/net/linger.h"
#include "ringfence/pg/messages.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

PgSession::PgSession(PgShardState& shard, std::unique_ptr<net::Stream> client,
                     std::shared_ptr<ListenerFacts> listener)
    : shard_(shard),
      listener_(std::move(listener)),
      snapshot_(shard.core.snapshot),
      recorder_(shard.core.door),
      id_(shard.core.door.ids.uuid(shard.core.shard.now_us())),
      lease_(shard),
      connected_us_(shard.core.shard.now_us()) {
  client_.stream = std::move(client);
  shard_.core.counters.connections_open.add();
  listener_->connections.fetch_add(1, std::memory_order_relaxed);
}

PgSession::~PgSession() {
  lease_.forget_cancel_key(*this);
  if (watched_) shard_.watched.erase(this);
  listener_->connections.fetch_sub(1, std::memory_order_relaxed);
  shard_.core.counters.connections_open.subtract();
}

Task<void> PgSession::live(PgShardState& shard, PgSession& session) {
  {
    auto logging_in = session.log_in();
    co_await logging_in;
  }
  const bool is_in = session.is_logged_in();
  if (is_in) {
    auto conversing = session.converse();
    co_await conversing;
  } else {
    auto discarding = session.lease_.discard();
    co_await discarding;
  }
  {
    auto parting = is_in ? session.part() : session.linger();
    co_await parting;
  }
  shard.core.remove(session);
}

Task<void> PgSession::log_in() {
  Applicant applicant(shard_, snapshot_, *listener_, recorder_, client_, id_);
  PgLogin login(applicant, {*this, lease_, volume_});
  auto running = login.run();
  std::optional<LoginResult> done = co_await running;
  if (done) take_over(std::move(*done));
}

// Once the client has been greeted.
void PgSession::take_over(LoginResult done) {
  access_ = std::move(done.access);
  conversation_.emplace(recorder_, shard_.pools, shard_.core.counters, limits(), std::move(done.gate));
  conversation_->use_witness(access_.target()->attribution_witness);
  if (access_.target()->attribution_watch) {
    watched_ = std::make_unique<WatchedSession>();
    shard_.watched.insert(this);
    conversation_->watch_by(*watched_);
  }
  for (const auto& [name, value] : done.greeting->settings) {
    // The name that we gave the connection; the client's own is recorded.
    if (name != "application_name") conversation_->note_parameter(name, value);
  }
  if (WarmTicket* ticket = lease_.ticket()) {
    conversation_->report_to(ticket->settings);
    conversation_->keep_name(warm_application_name, recorder_.name_at_server());
  }
  std::string& name_due = done.greeting->name_due;
  if (!name_due.empty()) naming_ = std::make_unique<Naming>(*this, std::move(name_due));
  leftovers_ = std::make_unique<Leftovers>(
      Leftovers{std::move(done.client_leftover), std::move(done.greeting->leftover)});
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
  if (!access_.is_current(shard_)) reconsider();
  can_splice_ = client_.stream->can_splice() && lease_.stream().can_splice();
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
    deadline.emplace(shard_.core.shard, lease_.stream(), pool_reset_ms);
    end_within(client_gone_ms);
    auto resetting = reset_server();
    co_await resetting;
  } else if (!server_pump_is_over_) {
    // As when the client were connected to the server itself: the server finishes what it was sent, then
    // reads the end.
    lease_.stream().shutdown_write();
    deadline.emplace(shard_.core.shard, lease_.stream(), client_gone_ms);
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
  if (watched_ && std::exchange(watched_->is_doubtful, false)) shard_.watch->hurry(access_.target()->name);
  name_again();
  if (conversation_->is_clear()) wake_client_pump();
}

// ---------------------------------------------------------------- other policies

// A session without access ends as soon as nothing runs; others look at their next statement.
void PgSession::reconsider() {
  if (reset_) return;          // It is over; whether its connection is kept is looked at then.
  if (!conversation_) return;  // It looks once more when it has logged in.
  if (access_.has_ended(shard_)) renew_access();
}

// Before each chunk from the client. False: the session has to end, and why is set.
bool PgSession::renew_access() {
  if (access_.is_current(shard_)) return true;
  auto ending = access_.renew(shard_, recorder_, *conversation_, pending_end_ != nullptr);
  if (!ending) return true;
  if (ending->is_at_once) {
    end(ending->reason);
    return false;
  }
  if (!pending_end_) pending_end_ = std::make_unique<EndReason>(std::move(ending->reason));
  if (conversation_->server_is_idle()) end(*pending_end_);
  return false;
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
    client_.stream->shutdown();
    return;
  }
  if (!conversation_->server_is_idle()) ring::spawn(cancel());
  // Both pumps end by this; a client that does not read what is being sent to it is cut off.
  if (lease_.has_server()) lease_.stream().shutdown();
  client_.stream->cancel_receive();
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

Task<void> PgSession::cancel() {
  was_cancelled_ = true;
  if (!lease_.has_server() || lease_.server().cancel_key.empty()) co_return;
  auto cancelling =
      cancel_upstream(shard_, lease_.server().place, lease_.server().process_id, lease_.server().cancel_key);
  co_await cancelling;
}

void PgSession::check_idle() {
  if (!conversation_ || end_reason_ || reset_) return;
  const pg::ResponseQueue& queue = conversation_->queue();
  if (hold_ != nullptr)
    active_ns_ = shard_.core.shard.now_ns();  // It waits for us; a hold has its own deadline.
  bool in_transaction = queue.transaction() != pg::TransactionStatus::idle;
  uint64_t allowed_ms = in_transaction ? limits().idle_in_transaction_ms : limits().idle_ms;
  uint64_t shortest_ms =
      std::min(limits().idle_ms ? limits().idle_ms : ~uint64_t{0},
               limits().idle_in_transaction_ms ? limits().idle_in_transaction_ms : ~uint64_t{0});
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
    end_timer_ = std::make_unique<ring::CallbackTimer>(shard_.core.shard.timers(),
                                                       [this] { client_.stream->shutdown(); });
  end_timer_->arm(shard_.core.shard.now_ns() + ms * 1'000'000);
}

// Says goodbye to the client as far as it can still hear, closes, and records the end.
Task<void> PgSession::part() {
  bool is_orderly =
      conversation_->client_said_goodbye() || (client_.state != ClientEnd::State::speaks && !end_reason_);
  bool can_speak = !client_.is_gone() && !is_orderly && client_.is_at_boundary;
  EndReason reason =
      end_reason_
          ? *end_reason_
          : EndReason{
                std::string(pg::sqlstate::connection_failure),
                "the server of database \"" + std::string(access_.database()) + "\" closed the connection",
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
    net::Send sending(*client_.stream, message);
    Result<void> sent = co_await sending;
  }
  auto done =
      recorder_.event(Category::authentication, "postgres_disconnect",
                      was_ended_by_server || end_reason_ ? Severity::warning : Severity::info,
                      was_ended_by_server ? Outcome::failure : Outcome::success, shard_.core.shard.now_us());
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
  if (conversation_->client_said_goodbye() && !end_reason_ && client_.tls == nullptr) {
    if (end_timer_) end_timer_->cancel();
    client_.stream->shutdown();
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
  if (client_.has_no_answer && client_.tls == nullptr) {
    client_.stream->shutdown();
    co_return;
  }
  if (!client_.is_gone()) {
    net::Deadline deadline(shard_.core.shard, *client_.stream, linger_ms);
    auto lingering = net::linger(*client_.stream, linger_bytes_max);
    co_await lingering;
  }
  client_.stream->shutdown();
}

model::SessionInfo PgSession::info() const {
  model::SessionInfo out;
  out.id = id_;
  out.user = access_.user();
  out.target = access_.target() != nullptr ? access_.target()->name : "";
  out.database = access_.database();
  out.client_addr = recorder_.client_addr();
  out.application_name = recorder_.application_name();
  out.shard = shard_.core.options.index;
  out.connected_at_us = connected_us_;
  out.last_activity_us = active_us_;
  out.statements = conversation_->statements();
  out.tls = client_.tls != nullptr;
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
