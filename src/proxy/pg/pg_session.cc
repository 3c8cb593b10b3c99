#include "pg_session.h"

#include "console_session.h"
#include "pg_login.h"
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
    : parts_(shard, std::move(client), std::move(listener)), connected_us_(parts_.now_us()) {
  shard.core.counters.connections_open.add();
  parts_.listener->connections.fetch_add(1, std::memory_order_relaxed);
}

PgSession::~PgSession() {
  parts_.lease.forget_cancel_key(*this);
  parts_.listener->connections.fetch_sub(1, std::memory_order_relaxed);
  parts_.shard.core.counters.connections_open.subtract();
}

Task<void> PgSession::live(PgShardState& shard, PgSession& session) {
  {
    auto logging_in = session.log_in();
    std::unique_ptr<ConsoleSession> console = co_await logging_in;
    if (console) {
      ConsoleSession& next = *console;
      shard.core.replace(session, std::move(console));
      ring::spawn(ConsoleSession::live(next));
      co_return;
    }
  }
  if (session.relay_) {
    auto relaying = session.relay_->run();
    co_await relaying;
  }
  {
    auto leaving = session.relay_ ? session.relay_->wind_up() : session.parts_.lease.discard();
    co_await leaving;
  }
  {
    auto parting = session.relay_ ? session.part() : session.linger();
    co_await parting;
  }
  shard.core.remove(session);
}

Task<std::unique_ptr<ConsoleSession>> PgSession::log_in() {
  Applicant applicant(parts_.shard, parts_.snapshot, *parts_.listener, parts_.recorder, parts_.client,
                      parts_.id);
  PgLogin login(applicant, {*this, parts_.lease});
  auto running = login.run();
  std::optional<LoginResult> done = co_await running;
  if (done && done->console_user != nullptr)
    co_return std::make_unique<ConsoleSession>(parts_, std::move(*done), connected_us_);
  if (done) relay_.emplace(*this, std::move(*done));
  co_return nullptr;
}

// ---------------------------------------------------------------- ending

void PgSession::end(const EndReason& reason) {
  if (parts_.ending.is_now()) return;
  // The session is over, and not by us: only its connection is still there.
  if (parts_.lease.reset() != nullptr) {
    parts_.lease.break_off_reset({});
    return;
  }
  parts_.ending.set_now(reason);
  if (relay_) relay_->break_off();
  else parts_.client.stream->shutdown();
}

void PgSession::end_by(const EndOrder& order) {
  end({std::string(pg::sqlstate::admin_shutdown), order.message, order.hint});
}

void PgSession::drain() {
  if (relay_) relay_->drain();
}

// It looks once more when it has logged in.
void PgSession::reconsider() {
  if (relay_) relay_->reconsider();
}

Task<void> PgSession::cancel_by_client() {
  if (!relay_) co_return;
  auto cancelling = relay_->cancel_by_client();
  co_await cancelling;
}

void PgSession::end_within(uint64_t ms) {
  if (!end_timer_)
    end_timer_ = std::make_unique<ring::CallbackTimer>(parts_.shard.core.shard.timers(),
                                                       [this] { parts_.client.stream->shutdown(); });
  end_timer_->arm(parts_.now_ns() + ms * 1'000'000);
}

// Says goodbye to the client as far as it can still hear, closes, and records the end.
Task<void> PgSession::part() {
  const Conversation& conversation = relay_->conversation();
  const bool is_ours = parts_.ending.is_now();
  const bool said_goodbye = conversation.client().said_goodbye();
  const bool is_orderly = said_goodbye || (parts_.client.state != ClientEnd::State::speaks && !is_ours);
  const bool was_ended_by_server = !is_ours && !is_orderly;
  std::optional<EndReason> reason;
  if (is_ours) {
    reason = *parts_.ending.reason();
  } else if (was_ended_by_server) {
    reason = EndReason{
        std::string(pg::sqlstate::connection_failure),
        "the server of database \"" + std::string(relay_->access().database()) + "\" closed the connection",
        "It may have been restarted or the connection cut; statements without an answer may or "
        "may not have run."};
  }
  if (reason && !parts_.client.is_gone() && !is_orderly && parts_.client.is_at_boundary &&
      !conversation.server().said_fatal()) {
    auto saying = say_why(*reason);
    co_await saying;
  }
  record_end(reason ? &*reason : nullptr, was_ended_by_server);
  parts_.lease.part();
  // To a client that has said goodbye there is no last word that could be lost, and what it was sent before
  // is the kernel's. TLS has a last word of its own.
  if (said_goodbye && !is_ours && parts_.client.tls == nullptr) {
    if (end_timer_) end_timer_->cancel();
    parts_.client.stream->shutdown();
    co_return;
  }
  auto lingering = linger();
  co_await lingering;
}

Task<void> PgSession::say_why(const EndReason& reason) {
  const pg::Encoding encoding = relay_->conversation().client_encoding();
  const std::string text = pg::text_for(reason.message, encoding);
  const std::string hint = pg::text_for(reason.hint, encoding);
  std::string message;
  pg::append_error_response(
      message, {.severity = "FATAL", .sqlstate = reason.sqlstate, .message = text, .hint = hint});
  // A client that does not read is not waited for.
  end_within(end_ms);
  net::Send sending(*parts_.client.stream, message);
  Result<void> sent = co_await sending;
}

// `reason`: null where the client has ended it.
void PgSession::record_end(const EndReason* reason, bool was_ended_by_server) {
  const Conversation& conversation = relay_->conversation();
  auto done = parts_.recorder.event(
      Category::authentication, "postgres_disconnect", reason != nullptr ? Severity::warning : Severity::info,
      was_ended_by_server ? Outcome::failure : Outcome::success, parts_.now_us());
  done.integer(Tag::duration_us, static_cast<int64_t>(parts_.now_us() - connected_us_));
  done.integer(Tag::bytes_to_client, static_cast<int64_t>(relay_->bytes_from(Side::server)));
  done.integer(Tag::bytes_to_server, static_cast<int64_t>(relay_->bytes_from(Side::client)));
  done.text(Tag::metadata, "{\"statements\":" + std::to_string(conversation.statements()) + "}");
  if (reason != nullptr) {
    done.text(Tag::sqlstate, reason->sqlstate);
    done.text(Tag::reason, reason->message);
  } else {
    done.text(Tag::reason,
              conversation.client().said_goodbye() ? "client terminated" : "client closed the connection");
  }
  parts_.recorder.publish(std::move(done));
  parts_.shard.core.counters.answers_unmatched.add(conversation.queue().misfits());
}

// Reads on for a moment after our last word: a socket closed with unread bytes resets the connection, and the
// word would be lost on its way.
Task<void> PgSession::linger() {
  if (end_timer_) end_timer_->cancel();
  ClientEnd& client = parts_.client;
  // No word that could be lost was said. TLS has one of its own.
  if (client.has_no_answer && client.tls == nullptr) {
    client.stream->shutdown();
    co_return;
  }
  if (!client.is_gone()) {
    net::Deadline deadline(parts_.shard.core.shard, *client.stream, linger_ms);
    auto lingering = net::linger(*client.stream, linger_bytes_max);
    co_await lingering;
  }
  client.stream->shutdown();
}

model::SessionInfo PgSession::info() const {
  model::SessionInfo out;
  out.id = parts_.id;
  out.client_addr = parts_.recorder.client_addr();
  out.application_name = parts_.recorder.application_name();
  out.shard = parts_.shard.core.options.index;
  out.connected_at_us = connected_us_;
  out.tls = parts_.client.tls != nullptr;
  relay_->describe(out);
  return out;
}

}  // namespace ringfence::proxy
