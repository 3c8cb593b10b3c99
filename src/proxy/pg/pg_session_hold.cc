// A parked session: what it waits for, what it notices meanwhile, and how it goes on. See hold.h.
#include "pg_session.h"
#include "ringfence/base/log.h"
#include "ringfence/base/thread_counts.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/sql/analyze.h"

namespace ringfence::proxy {

using ring::Task;

// Reads on while the session is parked, as far as the bound goes: a client that leaves is noticed.
class PgSession::ClientWatch final : public net::Receive::Watcher {
 public:
  ClientWatch(PgSession& session, net::Receive& receive, Hold& hold)
      : session_(session), receive_(receive), hold_(hold) {}
  ~ClientWatch() { receive_.unwatch(); }
  void start() {
    if (receive_.watch(*this)) received();
  }
  bool has_ended() const { return has_ended_; }
  bool was_orderly() const { return was_orderly_; }

  void received() override {
    do {
      Result<net::Chunk> chunk = receive_.await_resume();
      if (!chunk || chunk->bytes().empty()) {
        has_ended_ = true;
        was_orderly_ = chunk.has_value();
        const bool is_our_doing = session_.end_reason_ || session_.server_pump_is_over_;
        hold_.end(is_our_doing ? HoldEnd::session_ended : HoldEnd::disconnected);  // May destroy this.
        return;
      }
      if (!session_.read_ahead_) session_.read_ahead_ = std::make_unique<std::string>();
      session_.read_ahead_->append(chunk->bytes());
      count_copy(chunk->bytes().size());
      chunk->reset();
    } while (session_.read_ahead_->size() < held_bytes_max && receive_.watch(*this));
  }

 private:
  PgSession& session_;
  net::Receive& receive_;
  Hold& hold_;
  bool has_ended_ = false;
  bool was_orderly_ = false;
};

net::Chunk PgSession::take_read_ahead(Side from) {
  if (from == Side::server || !read_ahead_) return {};
  return net::Chunk::copy_of(*std::exchange(read_ahead_, nullptr));
}

// What came before the message that waits, and does not belong to its sync group, is answered meanwhile.
Task<bool> PgSession::send_before_waiting() {
  ByteView bytes = conversation_->before_waiting();
  if (bytes.empty()) co_return true;
  if (shard_.core.disk_sync.is_needed() && conversation_->statements() != durable_statements_) {
    DurableWait syncing(shard_.core.disk_sync);
    bool is_durable = co_await syncing;
    if (!note_durable(is_durable)) co_return false;
  }
  count(Side::client, bytes.size());
  if (has_to_name(bytes)) {
    auto naming = send_naming(&bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  net::Send sending(lease_.stream(), bytes);
  Result<void> sent = co_await sending;
  conversation_->before_waiting_is_sent();
  co_return sent.has_value();
}

namespace {
// So long at most while locks may be held.
uint64_t timeout_of(const HeldStatement& statement) {
  return statement.is_in_transaction ? std::min(statement.timeout_ms, held_in_transaction_ms_max)
                                     : statement.timeout_ms;
}
}  // namespace

// False: the session ends.
Task<bool> PgSession::park(net::Receive& receive, net::Chunk& chunk, Advance why) {
  auto sending = send_before_waiting();
  bool is_sent = co_await sending;
  const bool is_analysis = why == Advance::wait_analysis;
  HeldStatement statement;
  if (!is_analysis) statement = conversation_->held_statement();
  statement.is_in_transaction = conversation_->group_is_partly_out() ||
                                conversation_->queue().transaction() != pg::TransactionStatus::idle;
  const uint64_t timeout_ms = is_analysis ? analysis_ms_max : timeout_of(statement);
  Hold hold(*shard_.core.holds, shard_.core.shard.timers(),
            shard_.core.shard.now_ns() + timeout_ms * 1'000'000, is_analysis);
  // It gives its receive buffer back.
  chunk.detach();
  conversation_->move_chunk(chunk.bytes());
  if (!is_analysis) describe_hold(hold, std::move(statement));
  {
    ClientWatch watch(*this, receive, hold);
    hold_ = &hold;
    if (!is_sent || end_reason_ || server_pump_is_over_) hold.end(HoldEnd::session_ended);
    else if (!is_analysis || start_analysis(hold)) watch.start();
    co_await hold.over;
    hold_ = nullptr;
    if (watch.has_ended()) note_client_end(watch.was_orderly());
  }
  if (!is_analysis) {
    shard_.core.counters.sessions_held.subtract();
    shard_.core.counters.holds[static_cast<size_t>(*hold.ended_by())].add();
    if (auto* watcher = shard_.core.options.hold_watcher)
      watcher->hold_ended(hold.statement.id, *hold.ended_by());
  }
  resume(hold);
  co_return hold.ended_by() != HoldEnd::disconnected&& hold.ended_by() != HoldEnd::session_ended &&
      !end_reason_ && !pending_end_ && !server_pump_is_over_;
}

// What was sent before the held statement has been answered, and left a transaction open.
void PgSession::note_transaction_while_held() {
  if (hold_->is_for_analysis() || hold_->statement.is_in_transaction) return;
  hold_->statement.is_in_transaction = true;
  hold_->statement.transaction_since_us = transaction_since_us_;
  hold_->expire_by(shard_.core.shard.now_ns() + held_in_transaction_ms_max * 1'000'000);
}

void PgSession::describe_hold(Hold& hold, HeldStatement statement) {
  hold.statement = std::move(statement);
  hold.statement.id = {shard_.core.options.index, hold.number()};
  hold.statement.session = id_;
  hold.statement.user = access_.user();
  hold.statement.target = access_.target() != nullptr ? access_.target()->name : "";
  hold.statement.since_us = shard_.core.shard.now_us();
  hold.statement.timeout_ms = timeout_of(hold.statement);
  hold.statement.transaction_since_us = transaction_since_us_;
  shard_.core.counters.sessions_held.add();
  if (auto* watcher = shard_.core.options.hold_watcher) watcher->held(hold.statement);
}

// A statement that is too much for the shard goes to a thread with a stack for it. What comes back finds the
// session by its hold's number, if that still waits. Of each user one at a time is there. False: the answer
// is there already.
bool PgSession::start_analysis(const Hold& hold) {
  shard_.core.counters.statements_analysed_aside.add();
  const auto tell = [](HoldTable& holds, uint64_t number, Result<sql::Facts> facts) {
    Hold* waiting = holds.find(number);
    if (waiting == nullptr || waiting->ended_by()) return;
    waiting->facts = std::move(facts);
    waiting->end(HoldEnd::released);
  };
  const auto begin = [this, tell, number = hold.number()] {
    auto holds = shard_.core.holds;
    const bool is_posted = shard_.core.workers.analyses.post([holds, number, &shard = shard_.core.shard, tell,
                                                              user = std::string(access_.user()),
                                                              text = conversation_->text_to_analyse()] {
      auto facts = std::make_shared<Result<sql::Facts>>(
          fail(Fault::unavailable, "there is no thread to analyse it on; try again"));
      ring::run_on_large_stack(sql::large_stack_bytes, [&] { *facts = sql::analyze(text); });
      const auto come_back = [holds, number, tell, user, facts] {
        tell(*holds, number, std::move(*facts));
        holds->end_turn(user);
      };
      shard.deliver(come_back);
    });
    if (!is_posted)
      tell(*holds, number, fail(Fault::unavailable, "too many statements wait to be analysed; try again"));
    return is_posted;
  };
  shard_.core.holds->take_turn(*shard_.core.holds->find(hold.number()), access_.user(), begin);
  return !hold.ended_by();
}

// Tells the conversation how its message goes on.
void PgSession::resume(Hold& hold) {
  const std::string rule = hold.is_for_analysis() ? "analysis" : hold.statement.rule;
  Refusal refusal{
      .sqlstate = std::string(pg::sqlstate::query_canceled), .rule = rule, .message = "", .hint = ""};
  refusal.is_denied = false;
  const bool is_over = hold.ended_by() == HoldEnd::disconnected || hold.ended_by() == HoldEnd::session_ended;
  // However the wait ended, it goes on by the policies in force now; without access nothing does.
  if (!is_over && !access_.is_current(shard_)) renew_access();
  if (!is_over && (end_reason_ || pending_end_)) {
    refusal.message = "the session ended while the statement waited: " +
                      (end_reason_ ? end_reason_->message : pending_end_->message);
    conversation_->drop_waiting(std::move(refusal), now());
    return;
  }
  switch (*hold.ended_by()) {
    case HoldEnd::released:
      if (hold.facts) conversation_->analysed(std::move(*hold.facts));
      else conversation_->release_waiting();
      return;
    case HoldEnd::refused:
      refusal.sqlstate = pg::sqlstate::insufficient_privilege;
      refusal.message =
          "the statement was not approved" + (hold.reason().empty() ? "" : ": " + hold.reason());
      refusal.is_denied = true;
      conversation_->refuse_waiting(std::move(refusal));
      return;
    case HoldEnd::expired:
      refusal.message = hold.is_for_analysis() ? "canceling statement: it could not be analysed in time"
                                               : "canceling statement: nobody approved it within " +
                                                     std::to_string(hold.statement.timeout_ms) + " ms";
      refusal.hint = "Send it again when somebody can look at it.";
      if (hold.is_for_analysis()) refusal.hint = "Try again.";
      conversation_->refuse_waiting(std::move(refusal));
      return;
    case HoldEnd::cancelled:
      refusal.message = "canceling statement due to user request";
      conversation_->refuse_waiting(std::move(refusal));
      return;
    case HoldEnd::disconnected: refusal.message = "the client left while the statement waited"; break;
    case HoldEnd::session_ended: break;
  }
  if (refusal.message.empty()) {
    refusal.message =
        "the session ended while the statement waited" + (end_reason_    ? ": " + end_reason_->message
                                                          : pending_end_ ? ": " + pending_end_->message
                                                                         : "");
  }
  conversation_->drop_waiting(std::move(refusal), now());
}

Task<void> PgSession::cancel_by_client() {
  // What runs at the server comes first, as it would without us.
  if (hold_ != nullptr && conversation_->server_is_idle()) {
    hold_->end(HoldEnd::cancelled);
    co_return;
  }
  auto waiting = wait_until_named();
  const bool is_there = co_await waiting;
  if (!is_there) co_return;
  auto cancelling = cancel();
  co_await cancelling;
}

}  // namespace ringfence::proxy
