#include "withheld_result.h"

#include "exchange.h"
#include "relay.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

constexpr std::string_view ask_for_more = "Ask for a grant that allows more, or for less at a time.";

}  // namespace

WithheldResult::WithheldResult(Exchange& exchange, Spending::Bound bound, uint64_t rows, uint64_t bytes)
    : x_(exchange), bound_(std::move(bound)), rows_(rows), bytes_(bytes) {}

WithheldResult::~WithheldResult() {
  if (strike_) strike_->relay = nullptr;
}

// ---------------------------------------------------------------- what the server says

pg::Completion WithheldResult::shown(const pg::Completion& completion) {
  const bool is_first = !std::exchange(is_first_over_, true);
  const bool is_done = completion.ending == pg::Ending::success || completion.ending == pg::Ending::suspended;
  pg::Completion out = completion;
  if (is_first) has_completed_ = is_done;
  if (!is_untold() || !(is_done || (is_first && completion.ending == pg::Ending::failure))) return out;
  // The server's own end of the connection is told as it is.
  if (completion.error != nullptr && completion.error->severity != "ERROR") return out;
  trail_message_ = bound_.message + (is_done ? "; the statement completed, its result was withheld" : "");
  trail_error_ = {.sqlstate = pg::sqlstate::configuration_limit_exceeded, .message = trail_message_};
  out.error = &trail_error_;
  out.cut_by = bound_.rule;
  out.rows = is_first ? rows_ : 0;
  return out;
}

// All ASCII, which every client encoding has.
std::string WithheldResult::error_response(std::string_view outcome) const {
  const std::string detail =
      "The bound is " + bound_.amount + ". " + std::to_string(rows_) + " rows and " + std::to_string(bytes_) +
      " bytes of the statement went to you; the rest was withheld. " + std::string(outcome);
  std::string message;
  pg::append_error_response(message, {.sqlstate = pg::sqlstate::configuration_limit_exceeded,
                                      .message = bound_.message,
                                      .detail = detail,
                                      .hint = ask_for_more});
  return message;
}

std::string WithheldResult::tell_failed() {
  state_ = State::told;
  return error_response(has_completed_ ? "The statement had completed, and its transaction has failed."
                                       : "The statement has failed.");
}

std::string WithheldResult::tell_ready(pg::TransactionStatus status, bool has_written) {
  if (state_ == State::over) return {};
  if (status == pg::TransactionStatus::in_transaction) {
    state_ = State::in_transaction;
    return {};
  }
  const bool is_idle = status == pg::TransactionStatus::idle;
  if (is_idle && has_written) {
    give_up("the statement completed, and what it did is committed; its result was withheld");
    return {};
  }
  state_ = State::told;
  std::string out = error_response("The statement had completed.");
  pg::append_ready_for_query(out, is_idle ? 'I' : 'E');
  return out;
}

void WithheldResult::give_up(std::string why) {
  state_ = State::over;
  why_over_ = std::move(why);
}

// ---------------------------------------------------------------- what follows from it

void WithheldResult::look(Relay& relay) {
  if (relay.parts().ending.is_now()) return;
  switch (state_) {
    case State::over: end(relay); return;
    case State::told: end_or_go_on(relay); return;
    case State::in_transaction: make_fail(relay); return;
    case State::failing: break;
    case State::dropping:
      // All is answered, and no ReadyForQuery is due before the client's Sync.
      if (x_.queue.is_empty()) make_fail(relay);
      else strike(relay);
      break;
  }
}

// `this` is gone behind it where the session goes on.
void WithheldResult::end_or_go_on(Relay& relay) {
  if (is_sending_ || (strike_ && strike_->is_open)) return;
  if (strike_ && !strike_->is_sure) {
    give_up("whether the cancel request for it still acts is not known");
    end(relay);
    return;
  }
  x_.gate->changed().withheld.reset();
}

void WithheldResult::strike(Relay& relay) {
  watch(relay);
  if (strike_ || x_.queue.has_later_group()) return;
  strike_ = std::make_shared<Strike>();
  strike_->relay = &relay;
  ring::spawn(run_strike(strike_, relay.parts().lease));
}

Task<void> WithheldResult::run_strike(std::shared_ptr<Strike> strike, ServerLease& lease) {
  auto cancelling = lease.cancel_surely();
  strike->is_sure = co_await cancelling;
  strike->is_open = false;
  if (strike->relay != nullptr) strike->relay->after_answers();
}

// By a Parse of a text that is none, as for a refused statement; the client's unnamed statement stays.
void WithheldResult::make_fail(Relay& relay) {
  const bool is_in_block = state_ == State::in_transaction;
  const bool can_send = x_.queue.is_empty() && relay.conversation().client().is_at_boundary() &&
                        !relay.is_sending_to_server() && !relay.parts().lease.naming().is_under_way();
  if (!can_send) {
    give_up("the statement completed, and its result was withheld; its transaction is rolled back");
    end(relay);
    return;
  }
  state_ = State::failing;
  watch(relay);
  Refusal refusal{.sqlstate = std::string(pg::sqlstate::configuration_limit_exceeded),
                  .rule = bound_.rule,
                  .message = bound_.message,
                  .hint = std::string(ask_for_more)};
  std::string bytes = x_.gate->stand_ins().replace(StandIns::Instead::parse_named, refusal, 0);
  pg::Ref<pg::Prepared> marker = x_.pools.prepared.make();
  marker->refusal = x_.gate->stand_ins().count();
  marker->name = "rf_";
  x_.queue.push_parse(std::move(marker));
  if (is_in_block) {
    pg::append_sync(bytes);
    x_.queue.push_sync();
  } else {
    pg::append_flush(bytes);
  }
  ring::spawn(send(relay, std::move(bytes)));
}

Task<void> WithheldResult::send(Relay& relay, std::string bytes) {
  is_sending_ = true;
  net::Send sending(relay.parts().lease.stream(), bytes);
  Result<void> sent = co_await sending;
  is_sending_ = false;
  // The session, or this, may be gone when either returns. Of a lost connection the server's pump hears.
  if (is_awaited_) sent_.set();
  else if (state_ == State::told) relay.after_answers();
}

Task<void> WithheldResult::settle(WithheldResult* withheld) {
  if (withheld == nullptr || !withheld->is_sending_) co_return;
  withheld->is_awaited_ = true;
  ring::Event& sent = withheld->sent_;
  co_await sent;
}

// ---------------------------------------------------------------- its end

void WithheldResult::watch(Relay& relay) {
  if (timer_) return;
  timer_ = std::make_unique<ring::CallbackTimer>(relay.parts().shard.core.shard.timers(),
                                                 [this, &relay] { is_late(relay); });
  timer_->arm(relay.parts().now_ns() + withheld_result_ms * 1'000'000);
}

void WithheldResult::is_late(Relay& relay) {
  if (relay.parts().ending.is_now()) return;
  give_up("the server did not end the statement within " + std::to_string(withheld_result_ms / 1000) +
          " s; whether it has run is not known");
  end(relay);
}

void WithheldResult::end(Relay& relay) const {
  relay.end({std::string(pg::sqlstate::configuration_limit_exceeded),
             "terminating connection: " + bound_.message + ": " + why_over_, std::string(ask_for_more)});
}

}  // namespace ringfence::proxy
