#include "parked.h"

#include "relay.h"
#include "ringfence/base/thread_counts.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/sql/analyze.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// So long at most while locks may be held.
uint64_t timeout_of(const HeldStatement& statement) {
  return statement.is_in_transaction ? std::min(statement.timeout_ms, held_in_transaction_ms_max)
                                     : statement.timeout_ms;
}

HeldStatement statement_of(Conversation& conversation, bool is_analysis) {
  HeldStatement statement;
  if (!is_analysis) statement = conversation.waiting().held_statement();
  statement.is_in_transaction = conversation.waiting().is_partly_out() ||
                                conversation.queue().transaction() != pg::TransactionStatus::idle;
  return statement;
}

}  // namespace

Parked::Parked(Relay& relay, Pump& client, net::Receive& receive, bool is_analysis)
    : relay_(relay),
      client_(client),
      receive_(receive),
      statement_(statement_of(relay.conversation(), is_analysis)),
      hold_(*relay.parts().shard.core.holds, relay.parts().shard.core.shard.timers(),
            relay.parts().now_ns() + (is_analysis ? analysis_ms_max : timeout_of(statement_)) * 1'000'000,
            is_analysis) {}

Task<void> Parked::wait(bool is_sent) {
  if (!hold_.is_for_analysis()) describe(std::move(statement_));
  relay_.work().park(this);
  if (!is_sent || relay_.is_over()) hold_.end(HoldEnd::session_ended);
  else if ((!hold_.is_for_analysis() || start_analysis()) && receive_.watch(*this)) received();
  co_await hold_.over;
  relay_.work().park(nullptr);
  receive_.unwatch();
  if (client_is_ != ClientIs::there) client_.note_client_end(client_is_ == ClientIs::gone_orderly);
  if (!hold_.is_for_analysis()) record_end();
  resume();
}

bool Parked::goes_on() const {
  return !is_cut_off() && !relay_.parts().ending.is_due() && !relay_.parts().lease.is_over();
}

// Reads on while it waits, as far as the bound goes: a client that leaves is noticed.
void Parked::received() {
  do {
    Result<net::Chunk> chunk = receive_.await_resume();
    if (!chunk || chunk->bytes().empty()) {
      client_is_ = chunk ? ClientIs::gone_orderly : ClientIs::gone;
      hold_.end(relay_.is_over() ? HoldEnd::session_ended : HoldEnd::disconnected);  // May destroy this.
      return;
    }
    client_.read_ahead().append(chunk->bytes());
    count_copy(chunk->bytes().size());
    chunk->reset();
  } while (client_.read_ahead().size() < held_bytes_max && receive_.watch(*this));
}

void Parked::note_transaction() {
  if (hold_.is_for_analysis() || hold_.statement.is_in_transaction) return;
  hold_.statement.is_in_transaction = true;
  hold_.statement.transaction_since_us = relay_.work().transaction_since_us();
  hold_.expire_by(relay_.parts().now_ns() + held_in_transaction_ms_max * 1'000'000);
}

void Parked::describe(HeldStatement statement) {
  const SessionAccess& access = relay_.access();
  hold_.statement = std::move(statement);
  hold_.statement.id = {relay_.parts().shard.core.options.index, hold_.number()};
  hold_.statement.session = relay_.parts().id;
  hold_.statement.user = access.user();
  hold_.statement.target = access.target()->name;
  hold_.statement.since_us = relay_.parts().now_us();
  hold_.statement.timeout_ms = timeout_of(hold_.statement);
  hold_.statement.transaction_since_us = relay_.work().transaction_since_us();
  relay_.parts().shard.core.counters.sessions_held.add();
  if (auto* watcher = relay_.parts().shard.core.options.hold_watcher) watcher->held(hold_.statement);
}

void Parked::record_end() {
  ShardCounters& counters = relay_.parts().shard.core.counters;
  counters.sessions_held.subtract();
  counters.holds[static_cast<size_t>(*hold_.ended_by())].add();
  if (auto* watcher = relay_.parts().shard.core.options.hold_watcher)
    watcher->hold_ended(hold_.statement.id, *hold_.ended_by());
}

// A statement that is too much for the shard goes to a thread with a stack for it. What comes back finds the
// session by its hold's number, if that still waits. Of each user one at a time is there. False: the answer
// is there already.
bool Parked::start_analysis() {
  relay_.parts().shard.core.counters.statements_analysed_aside.add();
  const auto tell = [](HoldTable& holds, uint64_t number, Result<sql::Facts> facts) {
    Hold* waiting = holds.find(number);
    if (waiting == nullptr || waiting->ended_by()) return;
    waiting->facts = std::move(facts);
    waiting->end(HoldEnd::released);
  };
  const std::string_view of = relay_.access().user();
  const auto begin = [&core = relay_.parts().shard.core, waiting = relay_.conversation().waiting(), of, tell,
                      number = hold_.number()] {
    auto holds = core.holds;
    const bool is_posted = core.workers.analyses.post(
        [holds, number, &shard = core.shard, tell, user = std::string(of), text = waiting.text_to_analyse()] {
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
  relay_.parts().shard.core.holds->take_turn(hold_, of, begin);
  return !hold_.ended_by();
}

void Parked::resume() {
  const std::string rule = hold_.is_for_analysis() ? "analysis" : hold_.statement.rule;
  Refusal refusal{
      .sqlstate = std::string(pg::sqlstate::query_canceled), .rule = rule, .message = "", .hint = ""};
  refusal.is_denied = false;
  // However the wait ended, it goes on by the policies in force now; without access nothing does.
  if (!is_cut_off()) relay_.renew_access();
  const EndReason* ending = relay_.parts().ending.reason();
  if (!is_cut_off() && ending == nullptr) {
    resume_after(*hold_.ended_by(), std::move(refusal));
    return;
  }
  if (hold_.ended_by() == HoldEnd::disconnected) {
    refusal.message = "the client left while the statement waited";
  } else {
    refusal.message = "the session ended while the statement waited";
    if (ending != nullptr) refusal.message += ": " + ending->message;
  }
  relay_.conversation().client().drop_waiting(std::move(refusal), relay_.parts().now());
}

void Parked::resume_after(HoldEnd how, Refusal refusal) {
  WaitingMessage waiting = relay_.conversation().waiting();
  switch (how) {
    case HoldEnd::released:
      if (hold_.facts) waiting.analysed(std::move(*hold_.facts));
      else waiting.release();
      return;
    case HoldEnd::refused:
      refusal.sqlstate = pg::sqlstate::insufficient_privilege;
      refusal.message =
          "the statement was not approved" + (hold_.reason().empty() ? "" : ": " + hold_.reason());
      refusal.is_denied = true;
      break;
    case HoldEnd::expired:
      refusal.message = hold_.is_for_analysis() ? "canceling statement: it could not be analysed in time"
                                                : "canceling statement: nobody approved it within " +
                                                      std::to_string(hold_.statement.timeout_ms) + " ms";
      refusal.hint = hold_.is_for_analysis() ? "Try again." : "Send it again when somebody can look at it.";
      break;
    case HoldEnd::cancelled: refusal.message = "canceling statement due to user request"; break;
    // Those end the session.
    case HoldEnd::disconnected:
    case HoldEnd::session_ended: return;
  }
  waiting.refuse(std::move(refusal));
}

}  // namespace ringfence::proxy
