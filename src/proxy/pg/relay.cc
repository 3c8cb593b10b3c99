#include "relay.h"

#include "broken_stream.h"
#include "goodbye.h"
#include "pg_session.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/sqlstate.h"
#include "session_name.h"
#include "warm_pool.h"
#include "watch.h"

namespace ringfence::proxy {

using ring::Task;

namespace {
void watch_statements(Relay& of) {
  if (Spending* spending = of.conversation().spending()) spending->limit().watch(of);
}
}  // namespace

Relay::Relay(PgSession& session, LoginResult login)
    : session_(session),
      access_(std::move(login.access)),
      conversation_(parts().recorder, parts().shard.pools, parts().shard.core.counters, parts().limits(),
                    std::move(login.gate)),
      client_(*this, Side::client, login.client_leftover),
      server_(*this, Side::server, login.greeting->leftover) {
  conversation_.use_spending(access_.spending());
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
    conversation_.server().keep_name(warm_application_name, parts().recorder.name_at_server());
  }
  const std::string& name_due = login.greeting->name_due;
  if (!name_due.empty()) SessionName(*this).give(name_due);
}

Relay::~Relay() {
  if (watched_) parts().shard.watched.erase(&session_);
}

SessionParts& Relay::parts() const { return session_.parts(); }
void Relay::end(const EndReason& reason) { session_.end(reason); }

// ---------------------------------------------------------------- both pumps

// No coroutine: its frame would be there as long as the session.
Task<void> Relay::run() {
  ShardCore& core = parts().shard.core;
  core.counters.sessions_open.add();
  core.counters.sessions_total.add();
  idle_.note_active(parts().now());
  idle_.watch(*this);
  watch_statements(*this);
  if (core.is_draining) drain();
  if (conversation_.is_broken()) end(broken_by(conversation_, Side::server));
  if (!access_.is_current(parts().shard)) reconsider();
  ring::spawn(server_.run());
  return client_.run();
}

Task<void> Relay::wind_up() {
  ShardCore& core = parts().shard.core;
  ServerLease& lease = parts().lease;
  std::optional<net::Deadline> deadline;
  if (can_give_back()) {
    deadline.emplace(core.shard, lease.stream(), pool_reset_ms);
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
    deadline.emplace(core.shard, lease.stream(), client_gone_ms);
    // A client that only ended its own direction still gets its answers, if it reads them.
    session_.end_within(client_gone_ms);
  }
  auto ending = server_.wait_until_ended();
  co_await ending;
  ServerNaming* const naming = lease.naming().now();
  if (naming != nullptr && naming->is_sending()) {
    ring::Event& sent = naming->sent();
    co_await sent;
  }
  {
    auto settling = WithheldResult::settle(conversation_.server().bound().withheld());
    co_await settling;
  }
  if (lease.reset() != nullptr && deadline->has_passed()) lease.reset()->note_late();
  idle_.stop();
  if (Spending* spending = conversation_.spending()) spending->limit().stop();
  conversation_.abandon(parts().now());
  core.counters.sessions_open.subtract();
}

void Relay::server_has_ended() {
  parts().lease.note_over();
  parts().client.stream->cancel_receive();
  client_.wake();
  work_.end_parked(HoldEnd::session_ended);
}

void Relay::after_answers() {
  work_.note_transaction(conversation_.queue().transaction() != pg::TransactionStatus::idle,
                         idle_.active_us());
  if (parts().ending.is_draining()) drain();
  conversation_.server().bound().look(*this);
  if (parts().ending.is_pending() && has_nothing_to_finish()) end(*parts().ending.reason());
  if (watched_ && std::exchange(watched_->is_doubtful, false))
    parts().shard.watch->hurry(access_.target()->name);
  SessionName(*this).give_back();
  if (conversation_.client().is_clear()) client_.wake();
}

bool Relay::renew_access() {
  if (access_.is_current(parts().shard)) return true;
  Ending& ending = parts().ending;
  auto wanted = access_.renew(parts().shard, parts().recorder, conversation_, ending.is_due());
  if (!wanted) {
    watch_statements(*this);
    return true;
  }
  if (wanted->is_at_once) {
    end(wanted->reason);
    return false;
  }
  ending.set_pending(std::move(wanted->reason));
  if (has_nothing_to_finish()) end(*ending.reason());
  return false;
}

// A server that reads copy data waits for a client of whom nothing is passed on any more.
bool Relay::has_nothing_to_finish() const {
  return conversation_.server_is_idle() || conversation_.queue().is_in_copy();
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
  work_.end_parked(HoldEnd::session_ended);
}

void Relay::drain() {
  parts().ending.drain();
  const pg::ResponseQueue& queue = conversation_.queue();
  // A parked statement may wait for long, and its transaction with it.
  const bool is_in_transaction = queue.transaction() != pg::TransactionStatus::idle && !work_.is_parked();
  if (!conversation_.server_is_idle() || is_in_transaction) return;
  end({std::string(pg::sqlstate::admin_shutdown), "terminating connection: the appliance is shutting down",
       "Connect again in a moment."});
}

Task<void> Relay::cancel_by_client() {
  // What runs at the server comes first, as it would without us.
  if (work_.is_parked() && conversation_.server_is_idle()) {
    work_.end_parked(HoldEnd::cancelled);
    co_return;
  }
  ServerLease& lease = parts().lease;
  if (lease.naming().now() != nullptr) {
    auto waiting = lease.wait_until_named();
    const bool is_named = co_await waiting;
    if (!is_named || parts().ending.is_now()) co_return;
  }
  auto cancelling = lease.cancel();
  co_await cancelling;
}

// ---------------------------------------------------------------- the server's connection

// Whether nothing of this session is on its way, and nothing is left with the server but what it discards
// when told.
bool Relay::can_give_back() const {
  return !parts().ending.is_due() && !parts().ending.is_draining() && !work_.is_parked() &&
         parts().lease.can_be_reset() && conversation_.is_at_rest();
}

bool Relay::keeps_back(ByteView bytes) {
  if (!conversation_.client().said_goodbye()) return false;
  if (bytes == goodbye && can_give_back()) return true;
  parts().lease.note_goodbye(bytes == goodbye);
  return false;
}

// ---------------------------------------------------------------- what is shown

void Relay::describe(model::SessionInfo& out) const {
  out.user = access_.user();
  out.target = access_.target()->name;
  out.database = access_.database();
  out.last_activity_us = idle_.active_us();
  out.statements = conversation_.statements();
  out.bytes_to_client = bytes_from(Side::server);
  out.bytes_to_server = bytes_from(Side::client);
  const pg::ResponseQueue& queue = conversation_.queue();
  if (work_.is_parked()) out.state = "held";
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
