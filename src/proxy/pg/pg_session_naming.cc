// The name of a pooled server connection is set in front of its session's first message, in the same piece,
// and nobody waits for it. What the server answers to that is swallowed here before the conversation sees any
// of it; if it is not exactly what is wanted, the session ends and the client gets none of the server's
// bytes. Until it is named, a connection has a name that is nobody's (`ringfence`), and never that of the
// session before. RESET brings that one back: then it is named once more (name_again), and the client is
// shown its own all the time.
#include "pg_session.h"
#include "ringfence/base/log.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

using ring::Task;

PgSession::Naming::Naming(PgSession& session, std::string application_name, OwnAnswer::Kind kind)
    : message(naming_message(application_name)),
      answer(kind, session.lease_.ticket()->settings),
      timer(session.shard_.core.shard.timers(), [&session] { session.name_is_late(); }) {
  timer.arm(session.shard_.core.shard.now_ns() + pool_naming_after_ms * 1'000'000);
}

// RESET ALL and DISCARD ALL give a pooled connection the name that is nobody's; the session gets its own back
// like the first time. Only when nothing is under way: in a transaction that is rolled back the name would go
// again, and behind messages of the client's it would be answered among theirs.
void PgSession::name_again() {
  if (!conversation_->has_lost_name() || reset_ || end_reason_ || conversation_->client_said_goodbye())
    return;
  if (naming_ && (!naming_->is_over || naming_->state == Naming::State::sending)) return;
  if (!conversation_->is_at_rest()) return;
  conversation_->note_named();
  naming_ = std::make_unique<Naming>(*this, std::string(recorder_.name_at_server()),
                                     OwnAnswer::Kind::to_naming_again);
}

// The client has said nothing yet, or the server does not answer.
void PgSession::name_is_late() {
  if (naming_->is_over) return;
  if (naming_->state == Naming::State::due) ring::spawn(name_alone());
  else fail_naming("the server did not answer in time");
}

Task<void> PgSession::name_alone() {
  auto sending = send_naming(nullptr);
  co_await sending;  // Of a connection that is lost the other pump hears.
}

// With the bytes at `along`, if they are few: then they are taken. False: the connection is lost.
Task<bool> PgSession::send_naming(ByteView* along) {
  if (naming_->state == Naming::State::sending) {
    ring::Event& sent = naming_->sent;
    co_await sent;
    co_return !server_pump_is_over_;
  }
  naming_->state = Naming::State::sending;
  naming_->timer.arm(shard_.core.shard.now_ns() + pool_naming_ms * 1'000'000);
  std::string message = std::move(naming_->message);
  if (watched_) watched_->texts.note_unknown();
  if (along != nullptr && along->size() <= pool_naming_bytes_max) message.append(std::exchange(*along, {}));
  net::Send sending(lease_.stream(), message);
  Result<void> sent = co_await sending;
  const bool is_sent = sent.has_value();
  naming_->state = Naming::State::sent;
  naming_->sent.set();  // The session may be gone when this returns.
  co_return is_sent;
}

// Nothing of the session's goes to the server before its connection is named, but for its end; nor while the
// name is on its way there.
bool PgSession::has_to_name(ByteView bytes) const {
  if (!naming_ || bytes.empty()) return false;
  return naming_->state == Naming::State::sending ||
         (naming_->state == Naming::State::due && !naming_->is_over && bytes != goodbye);
}

// The server has been asked, and has not answered.
bool PgSession::is_being_named() const {
  return naming_ && naming_->state != Naming::State::due && !naming_->is_over;
}

// From the server: takes from the chunk what is the answer's, and adds what is not to be lost. False: the
// session ends. What the server said of itself before it was asked may have come in part: the rest of that is
// the session's.
bool PgSession::take_naming(net::Chunk& chunk) {
  OwnAnswer& answer = naming_->answer;
  const ByteView begun = chunk.bytes().substr(0, conversation_->bytes_of_open_server_message(chunk.bytes()));
  const size_t own = answer.take_own(chunk.bytes().substr(begun.size()));
  switch (answer.state()) {
    case OwnAnswer::State::open:
      if (begun.empty()) chunk.consume(own);
      else if (own > 0) chunk = net::Chunk::copy_of(begun);
      return true;
    case OwnAnswer::State::failed: fail_naming(answer.reason()); return false;
    case OwnAnswer::State::done: break;
  }
  // Settings that changed at this very moment are the session's to know.
  std::string passed = std::string(begun) + answer.for_the_session();
  const ByteView behind = chunk.bytes().substr(begun.size() + own);
  if (passed.empty()) chunk.consume(own);
  else chunk = net::Chunk::copy_of(passed.append(behind));
  end_naming();
  if (naming_->state == Naming::State::sent) naming_.reset();
  return true;
}

void PgSession::fail_naming(std::string_view reason) {
  shard_.core.counters.pool_failures.add();
  log_warning("a session ends, for its server connection could not be named",
              {{"target", access_.target()->name},
               {"user", std::string(access_.user())},
               {"reason", std::string(reason)}});
  end({std::string(pg::sqlstate::connection_failure),
       "the server of database \"" + std::string(access_.database()) +
           "\" did not take over the session: " + std::string(reason),
       "Statements without an answer may or may not have run. Connect again."});
}

// It is named, or the session is over.
void PgSession::end_naming() {
  if (!naming_ || naming_->is_over) return;
  naming_->is_over = true;
  naming_->timer.cancel();
  const std::vector<ring::Event*> waiters = std::exchange(naming_->waiters, {});
  for (ring::Event* waiter : waiters) waiter->set();
}

// A cancel request would meet our own statement instead of the client's. False: there is nothing to cancel.
Task<bool> PgSession::wait_until_named() {
  if (!conversation_) co_return false;
  if (!naming_) co_return true;
  if (naming_->state == Naming::State::due) co_return false;
  if (is_being_named()) {
    ring::Event over;
    naming_->waiters.push_back(&over);
    co_await over;
  }
  co_return !server_pump_is_over_ && !end_reason_;
}

}  // namespace ringfence::proxy
