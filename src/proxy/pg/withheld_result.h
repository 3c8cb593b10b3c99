// A result of which the rest is kept from the client, because it goes beyond a bound of the grant: from the
// message that would go beyond it until the session goes on or ends.
//
// What the client sees: the messages that fit, then one ERROR 53400 in place of the server's answer, then the
// server's ReadyForQuery. NotificationResponse and ParameterStatus pass meanwhile, and notices as far as they
// fit. What the ERROR says of the statement is true at the server:
//
//   the server fails it (by our cancel request, or by itself)
//       its ErrorResponse is replaced by ours; the state of the transaction is the server's.
//   it completes before the cancel request strikes, and its transaction goes on: inside BEGIN, or in a group
//   of messages of which no Sync was sent
//       the server gets a message that it is certain to reject, and the transaction fails. Its ErrorResponse
//       is replaced by ours. What the statement has done is undone with its transaction.
//   it completes, and ReadyForQuery says that no transaction is open
//       where all that ran since the last ReadyForQuery has only read, that is the state after an error, and
//       our ERROR stands before ReadyForQuery. It says that the statement completed.
//       Otherwise something was committed: FATAL, which says so. Nobody is told that it failed.
//
// The session ends by FATAL, too, where nothing honest can be said or the next statement is not safe: the
// transaction goes on and its next group is at the server already; the server wants copy data in between;
// a part of a message of the client's is there, so that none of ours can be put before it; the server does
// not end the statement in time; whether the cancel request still acts is not known.
//
// What always holds: from the cut until the end of this, no message that the client had not sent before goes
// to the server; and it lasts until the server has answered, and has closed the connection of the cancel
// request. So the request meets no later statement. Where a later group was sent before the cut there is no
// cancel request: the rest is read and dropped.
#pragma once

#include <memory>
#include <string>

#include "ringfence/net/stream.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/timers.h"
#include "spending.h"

namespace ringfence::proxy {

struct Exchange;
class Relay;
class ServerLease;

class WithheldResult {
 public:
  // `rows`, `bytes`: of the statement, that went to the client. The exchange owns it.
  WithheldResult(Exchange& exchange, Spending::Bound bound, uint64_t rows, uint64_t bytes);
  ~WithheldResult();
  WithheldResult(const WithheldResult&) = delete;
  WithheldResult& operator=(const WithheldResult&) = delete;

  // ---- What the server says.

  // The client has not got its ERROR.
  bool is_untold() const { return state_ != State::told; }
  // The end of a statement, as the trail has it. Valid as long as this and `completion`.
  pg::Completion shown(const pg::Completion& completion);
  // Our ERROR in place of the server's ErrorResponse.
  std::string tell_failed();
  // In place of a ReadyForQuery to which no ErrorResponse has led; empty: nothing goes to the client.
  // `has_written`: something that ended since the last one may have changed anything.
  std::string tell_ready(pg::TransactionStatus status, bool has_written);
  // The session has to end: what the server says next makes an ERROR untrue.
  void give_up(std::string why);
  // A message goes to the client in part.
  void note_open(bool is_open) { passes_open_ = is_open; }
  bool passes_open() const { return passes_open_; }

  // ---- What follows from it.

  // After answers: cancels, makes the transaction fail, ends the session, or lets it go on; then this is
  // gone.
  void look(Relay& relay);
  // Before the session goes away: until nothing of this is being sent. `withheld`: may be null.
  static ring::Task<void> settle(WithheldResult* withheld);

 private:
  enum class State : uint8_t {
    dropping,        // The server has not said how the statement ends.
    in_transaction,  // It has completed, and its transaction goes on.
    failing,         // The transaction is made to fail.
    told,            // The client has its ERROR.
    over,            // The session has to end.
  };
  // A cancel request: it may outlive this.
  struct Strike {
    Relay* relay = nullptr;  // Null: nobody is told.
    bool is_open = true;
    bool is_sure = false;  // It does not act any more.
  };

  std::string error_response(std::string_view outcome) const;
  void strike(Relay& relay);
  static ring::Task<void> run_strike(std::shared_ptr<Strike> strike, ServerLease& lease);
  void make_fail(Relay& relay);
  ring::Task<void> send(Relay& relay, std::string bytes);
  void watch(Relay& relay);
  void is_late(Relay& relay);
  void end(Relay& relay) const;
  void end_or_go_on(Relay& relay);

  Exchange& x_;
  const Spending::Bound bound_;
  const uint64_t rows_;
  const uint64_t bytes_;
  State state_ = State::dropping;
  bool is_first_over_ = false;  // The statement of the cut has ended,
  bool has_completed_ = false;  // and completed.
  bool passes_open_ = false;
  bool is_sending_ = false;
  bool is_awaited_ = false;
  std::string trail_message_;
  pg::ErrorFields trail_error_;
  std::string why_over_;
  std::shared_ptr<Strike> strike_;
  std::unique_ptr<ring::CallbackTimer> timer_;
  ring::Event sent_;
};

}  // namespace ringfence::proxy
