#include "relay.h"

#include "goodbye.h"
#include "pg_session.h"
#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/sqlstate.h"
#include "warm_pool.h"
#include "watch.h"

namespace ringfence::proxy {

using ring::Task;

Relay::Relay(PgSession& session, LoginResult login)
    : session_(session),
      access_(std::move(login.access)),
      conversation_(parts().recorder, parts().shard.pools, core().counters, parts().limits(),
                    std::move(login.gate)),
      client_(*this, Side::client, login.client_leftover),
      server_(*this, Side::server, login.greeting->leftover) {
  conversation_.use_witness(access_.target()->attribution_witness);
  if (access_.target()->attribution_watch) {
    watched_ = std::make_unique<WatchedSession>();
    parts().shard.watched.insert(&session_);
    conversation_.watch_by(*watched_);
  }
  for (const auto& [name, value] : login.greeting->settings) {
    // The name that we gave the connection; the client's own is recorded.
    if (name != "application_name") conversation_.note_parameter(name, value);
  }
  if (WarmTicket* ticket = parts().lease.ticket()) {
    conversation_.report_to(ticket->settings);
    conversation_.keep_name(warm_application_name, parts().recorder.name_at_server());
  }
  const std::string& name_due = login.greeting->name_due;
  if (!name_due.empty()) start_naming(name_due, OwnAnswer::Kind::to_naming);
}

Relay::~Relay() {
  if (watched_) parts().shard.watched.erase(&session_);
}

SessionParts& Relay::parts() const { return session_.parts(); }
void Relay::end(const EndReason& reason) { session_.end(reason); }

// ---------------------------------------------------------------- both pumps

Task<void> Relay::run() {
  core().counters.sessions_open.add();
  core().counters.sessions_total.add();
  note_active();
  idle_.watch(*this);
  if (core().is_draining) drain();
  if (conversation_.is_broken()) break_by(Side::server);
  if (!access_.is_current(parts().shard)) reconsider();
  can_splice_ = parts().client.stream->can_splice() && parts().lease.stream().can_splice();
  ring::spawn(server_.run());
  {
    auto pumping = client_.run();
    co_await pumping;
  }
  {
    auto winding_up = wind_up();
    co_await winding_up;
  }
  idle_.stop();
  conversation_.abandon(now());
  core().counters.sessions_open.subtract();
}

// The client's pump is over; until the server's is.
Task<void> Relay::wind_up() {
  ServerLease& lease = parts().lease;
  std::optional<net::Deadline> deadline;
  if (can_give_back()) {
    deadline.emplace(core().shard, lease.stream(), pool_reset_ms);
    session_.end_within(client_gone_ms);
    // From here on no cancel request finds the connection.
    lease.forget_cancel_key(session_);
    idle_.stop();
    auto resetting = lease.start_reset();
    co_await resetting;
  } else if (!lease.is_over()) {
    // As when the client were connected to the server itself: the server finishes what it was sent, then
    // reads the end.
    lease.stream().shutdown_write();
    deadline.emplace(core().shard, lease.stream(), client_gone_ms);
    // A client that only ended its own direction still gets its answers, if it reads them.
    session_.end_within(client_gone_ms);
  }
  auto ending = server_.wait_until_ended();
  co_await ending;
  if (lease.naming() != nullptr && lease.naming()->is_sending()) {
    ring::Event& sent = lease.naming()->sent();
    co_await sent;
  }
  if (lease.reset() != nullptr && deadline->has_passed()) lease.reset()->note_late();
}

void Relay::hand_receive_to(net::Receive& receive) {
  if (auto& begun = parts().lease.server().receive) receive.take_over(*std::exchange(begun, nullptr));
}

void Relay::server_has_ended() {
  parts().lease.note_over();
  parts().client.stream->cancel_receive();
  client_.wake();
  if (parked_ != nullptr) parked_->end(HoldEnd::session_ended);
}

void Relay::after_answers() {
  const bool is_in_transaction = conversation_.queue().transaction() != pg::TransactionStatus::idle;
  if (is_in_transaction != (transaction_since_us_ != 0)) {
    transaction_since_us_ = is_in_transaction ? idle_.active_us() : 0;
    if (is_in_transaction && parked_ != nullptr) parked_->note_transaction();
  }
  if (is_draining_) drain();
  if (parts().ending.is_pending() && conversation_.server_is_idle()) end(*parts().ending.reason());
  if (watched_ && std::exchange(watched_->is_doubtful, false))
    parts().shard.watch->hurry(access_.target()->name);
  name_again();
  if (conversation_.is_clear()) client_.wake();
}

bool Relay::renew_access() {
  if (access_.is_current(parts().shard)) return true;
  Ending& ending = parts().ending;
  auto wanted = access_.renew(parts().shard, parts().recorder, conversation_, ending.is_due());
  if (!wanted) return true;
  if (wanted->is_at_once) {
    end(wanted->reason);
    return false;
  }
  ending.set_pending(std::move(wanted->reason));
  if (conversation_.server_is_idle()) end(*ending.reason());
  return false;
}

void Relay::reconsider() {
  // It is over; whether its connection is kept is looked at then.
  if (parts().lease.reset() != nullptr) return;
  if (access_.has_ended(parts().shard)) renew_access();
}

// ---------------------------------------------------------------- ending

void Relay::break_off() {
  if (!conversation_.server_is_idle()) ring::spawn(parts().lease.cancel());
  // Both pumps end by this; a client that does not read what is being sent to it is cut off.
  if (parts().lease.has_server()) parts().lease.stream().shutdown();
  parts().client.stream->cancel_receive();
  client_.wake();
  session_.end_within(end_ms);
  if (parked_ != nullptr) parked_->end(HoldEnd::session_ended);
}

void Relay::drain() {
  is_draining_ = true;
  const pg::ResponseQueue& queue = conversation_.queue();
  // A parked statement may wait for long, and its transaction with it.
  const bool is_in_transaction = queue.transaction() != pg::TransactionStatus::idle && parked_ == nullptr;
  if (!conversation_.server_is_idle() || is_in_transaction) return;
  end({std::string(pg::sqlstate::admin_shutdown), "terminating connection: the appliance is shutting down",
       "Connect again in a moment."});
}

Task<void> Relay::cancel_by_client() {
  // What runs at the server comes first, as it would without us.
  if (parked_ != nullptr && conversation_.server_is_idle()) {
    parked_->end(HoldEnd::cancelled);
    co_return;
  }
  ServerLease& lease = parts().lease;
  if (lease.naming() != nullptr) {
    auto waiting = lease.wait_until_named();
    const bool is_named = co_await waiting;
    if (!is_named || parts().ending.is_now()) co_return;
  }
  auto cancelling = lease.cancel();
  co_await cancelling;
}

EndReason Relay::broken_by(const Conversation& conversation, Side from) {
  Error error = conversation.error();
  if (conversation.is_contradicted()) {
    return {std::string(pg::sqlstate::protocol_violation),
            "terminating connection: the server " + error.message,
            "What it ran is not known. The trail's event attribution_mismatch has both sides; "
            "attribution_witness of the target's configuration says what follows from it."};
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
  if (conversation.has_too_many_names()) {
    return {std::string(pg::sqlstate::configuration_limit_exceeded),
            "terminating connection: " + error.message,
            "Close those that are no longer used (DEALLOCATE, CLOSE), or raise limits.prepared_bytes_max of "
            "the appliance's configuration."};
  }
  return {std::string(is_limit ? pg::sqlstate::program_limit_exceeded : pg::sqlstate::protocol_violation),
          error.message,
          is_limit ? "The bound is limits.message_bytes_max of the appliance's configuration." : ""};
}

// ---------------------------------------------------------------- the server's connection

// Whether nothing of this session is on its way, and nothing is left with the server but what it discards
// when told.
bool Relay::can_give_back() const {
  return !parts().ending.is_due() && !is_draining_ && parked_ == nullptr && parts().lease.can_be_reset() &&
         conversation_.is_at_rest();
}

bool Relay::keeps_back(ByteView bytes) {
  if (!conversation_.client_said_goodbye()) return false;
  if (bytes == goodbye && can_give_back()) return true;
  parts().lease.note_goodbye(bytes == goodbye);
  return false;
}

void Relay::start_naming(std::string_view name, OwnAnswer::Kind kind) {
  const auto fail = [this](std::string_view reason) { fail_naming(reason); };
  parts().lease.start_naming({core().shard, parts().lease.server(), watched_.get(), fail}, name, kind);
}

// RESET ALL and DISCARD ALL give a pooled connection the name that is nobody's; the session gets its own back
// like the first time, and the client is shown its own all the time. Only when nothing is under way: in a
// transaction that is rolled back the name would go again, and behind messages of the client's it would be
// answered among theirs.
void Relay::name_again() {
  const ServerLease& lease = parts().lease;
  if (!conversation_.has_lost_name() || lease.reset() != nullptr || parts().ending.is_now() ||
      conversation_.client_said_goodbye())
    return;
  if (lease.naming() != nullptr && !lease.naming()->is_done()) return;
  if (!conversation_.is_at_rest()) return;
  conversation_.note_named();
  start_naming(parts().recorder.name_at_server(), OwnAnswer::Kind::to_naming_again);
}

void Relay::fail_naming(std::string_view reason) {
  core().counters.pool_failures.add();
  log_warning("a session ends, for its server connection could not be named",
              {{"target", access_.target()->name},
               {"user", std::string(access_.user())},
               {"reason", std::string(reason)}});
  end({std::string(pg::sqlstate::connection_failure),
       "the server of database \"" + std::string(access_.database()) +
           "\" did not take over the session: " + std::string(reason),
       "Statements without an answer may or may not have run. Connect again."});
}

// ---------------------------------------------------------------- what is shown

void Relay::describe(model::SessionInfo& out) const {
  out.user = access_.user();
  out.target = access_.target()->name;
  out.database = access_.database();
  out.last_activity_us = idle_.active_us();
  out.statements = conversation_.statements();
  out.bytes_to_client = bytes_to_client();
  out.bytes_to_server = bytes_to_server();
  const pg::ResponseQueue& queue = conversation_.queue();
  if (parked_ != nullptr) out.state = "held";
  else if (!queue.is_idle()) out.state = "active";
  else if (queue.transaction() == pg::TransactionStatus::idle) out.state = "idle";
  else if (queue.transaction() == pg::TransactionStatus::failed) out.state = "idle_in_failed_transaction";
  else out.state = "idle_in_transaction";
  if (auto running = queue.running()) {
    uint64_t now_ns = parts().now_ns();
    uint64_t ago_us = now_ns > running->since_ns ? (now_ns - running->since_ns) / 1000 : 0;
    out.running_since_us = parts().now_us() - ago_us;
  }
}

}  // namespace ringfence::proxy
