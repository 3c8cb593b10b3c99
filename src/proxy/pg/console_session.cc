#include "console_session.h"

#include "console_bounds.h"
#include "ringfence/net/deadline.h"
#include "ringfence/net/linger.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

namespace {

EndReason console_shutdown() {
  return {std::string(pg::sqlstate::admin_shutdown), "terminating connection: the appliance is shutting down",
          "Connect again in a moment."};
}

}  // namespace

ConsoleSession::ConsoleSession(SessionParts& from, LoginResult login, uint64_t connected_us)
    : shard_(from.shard),
      client_(std::move(from.client)),
      listener_(from.listener),
      snapshot_(from.snapshot),
      recorder_(std::move(from.recorder)),
      id_(from.id),
      user_{login.console_user, login.console_key},
      connected_us_(connected_us),
      active_us_(from.now_us()),
      seat_(std::move(login.console_seat)),
      in_(std::move(*login.console_input)),
      desk_(shard_, recorder_, user_),
      talk_(desk_, core().shard, *client_.stream),
      timer_(core().shard.timers(), [this] { note_idle(); }) {
  core().counters.connections_open.add();
  core().counters.sessions_open.add();
  core().counters.sessions_total.add();
  listener_->connections.fetch_add(1, std::memory_order_relaxed);
}

ConsoleSession::~ConsoleSession() {
  listener_->connections.fetch_sub(1, std::memory_order_relaxed);
  core().counters.sessions_open.subtract();
  core().counters.connections_open.subtract();
}

Task<void> ConsoleSession::live(ConsoleSession& session) {
  {
    auto serving = session.serve();
    co_await serving;
  }
  {
    auto parting = session.part();
    co_await parting;
  }
  session.core().remove(session);
}

// ---------------------------------------------------------------- messages

Task<void> ConsoleSession::serve() {
  reconsider();
  if (core().is_draining) drain();
  for (bool goes_on = !ending_; goes_on;) {
    auto serving = serve_one();
    goes_on = co_await serving;
    if (goes_on && core().is_draining) drain();
    goes_on = goes_on && !ending_;
  }
}

Task<bool> ConsoleSession::serve_one() {
  watch_idle();
  auto reading = read_message(in_, console_message_bytes_max);
  Result<Message> message = co_await reading;
  timer_.cancel();
  if (ending_) co_return false;
  if (!message) {
    if (message.error().fault == Fault::limit) {
      core().counters.limits_reached.add();
      end({std::string(pg::sqlstate::program_limit_exceeded),
           "terminating connection: a message to the console is longer than " +
               std::to_string(console_message_bytes_max) + " bytes",
           "Its commands are short; SHOW HELP lists them."});
    } else {
      client_.note_gone();
    }
    co_return false;
  }
  active_us_ = core().shard.now_us();
  is_busy_ = true;
  auto taking = talk_.take(std::move(*message));
  const ConsoleTalk::Next next = co_await taking;
  is_busy_ = false;
  active_us_ = core().shard.now_us();
  said_goodbye_ = next == ConsoleTalk::Next::said_goodbye;
  if (next == ConsoleTalk::Next::is_gone) client_.note_gone();
  if (talk_.is_too_slow() && !ending_) {
    core().counters.limits_reached.add();
    end({std::string(pg::sqlstate::connection_failure),
         "terminating connection: the client has taken no answer for " +
             std::to_string(console_send_ms / 1'000) + " seconds",
         ""});
  }
  if (next == ConsoleTalk::Next::is_broken && !ending_) {
    end({std::string(pg::sqlstate::protocol_violation),
         "terminating connection: that is no message which the console takes", ""});
  }
  co_return next == ConsoleTalk::Next::goes_on;
}

void ConsoleSession::watch_idle() {
  const Limits& limits = snapshot_->limits;
  const uint64_t ms = talk_.transaction() == 'I' ? limits.idle_ms : limits.idle_in_transaction_ms;
  if (ms > 0) timer_.arm(core().shard.now_ns() + ms * 1'000'000);
}

// The timer is the end's, too: who takes nothing then is cut off.
void ConsoleSession::note_idle() {
  if (ending_) {
    client_.stream->shutdown();
    return;
  }
  core().counters.limits_reached.add();
  const bool is_free = talk_.transaction() == 'I';
  const std::string_view code =
      is_free ? pg::sqlstate::idle_session_timeout : pg::sqlstate::idle_in_transaction_timeout;
  end({std::string(code),
       std::string("terminating connection: idle ") + (is_free ? "" : "in a transaction ") + "for too long",
       std::string("The bound is limits.") + (is_free ? "idle_ms." : "idle_in_transaction_ms.")});
}

// ---------------------------------------------------------------- ending

void ConsoleSession::end(EndReason reason) {
  if (ending_) return;
  ending_ = std::move(reason);
  timer_.arm(core().shard.now_ns() + end_ms * 1'000'000);
  // The last act: what goes on by it may be the session's end.
  if (is_busy_) desk_.break_off();
  else client_.stream->cancel_receive();
}

void ConsoleSession::end_by(const EndOrder& order) {
  end({std::string(pg::sqlstate::admin_shutdown), order.message, order.hint});
}

// What is being answered is finished.
void ConsoleSession::drain() {
  if (!is_busy_) end(console_shutdown());
}

void ConsoleSession::reconsider() {
  if (auto reason = user_.ending(*core().snapshot)) end(std::move(*reason));
}

Task<void> ConsoleSession::part() {
  if (ending_ && !client_.is_gone() && !said_goodbye_) {
    auto saying = say_why();
    co_await saying;
  }
  record_end();
  timer_.cancel();
  if (!client_.is_gone()) {
    net::Deadline deadline(core().shard, *client_.stream, linger_ms);
    auto lingering = net::linger(*client_.stream, linger_bytes_max);
    co_await lingering;
  }
  client_.stream->shutdown();
}

Task<void> ConsoleSession::say_why() {
  std::string message;
  pg::append_error_response(message, {.severity = "FATAL",
                                      .sqlstate = ending_->sqlstate,
                                      .message = ending_->message,
                                      .hint = ending_->hint});
  net::Send sending(*client_.stream, message);
  Result<void> sent = co_await sending;
}

void ConsoleSession::record_end() {
  auto done =
      recorder_.event(Category::authentication, "postgres_disconnect",
                      ending_ ? Severity::warning : Severity::info, Outcome::success, core().shard.now_us());
  done.integer(Tag::duration_us, static_cast<int64_t>(core().shard.now_us() - connected_us_));
  done.integer(Tag::bytes_to_client, static_cast<int64_t>(talk_.bytes_sent()));
  done.text(Tag::metadata, "{\"statements\":" + std::to_string(desk_.commands()) + "}");
  if (ending_) done.text(Tag::sqlstate, ending_->sqlstate).text(Tag::reason, ending_->message);
  else done.text(Tag::reason, said_goodbye_ ? "client terminated" : "client closed the connection");
  recorder_.publish(std::move(done));
}

// ---------------------------------------------------------------- what is shown

model::SessionInfo ConsoleSession::info() const {
  model::SessionInfo out;
  out.id = id_;
  out.user = user_.then->name;
  out.target = console_database;
  out.database = console_database;
  out.client_addr = recorder_.client_addr();
  out.application_name = recorder_.application_name();
  out.shard = core().options.index;
  out.connected_at_us = connected_us_;
  out.last_activity_us = active_us_;
  out.statements = desk_.commands();
  out.bytes_to_client = talk_.bytes_sent();
  out.tls = client_.tls != nullptr;
  if (is_busy_) {
    out.state = "active";
    out.running_since_us = active_us_;
  } else {
    out.state = talk_.transaction() == 'I'   ? "idle"
                : talk_.transaction() == 'T' ? "idle_in_transaction"
                                             : "idle_in_failed_transaction";
  }
  return out;
}

}  // namespace ringfence::proxy
