// What a restricted session has beside an unrestricted one: the decision on its statements, the messages that
// stand in for refused ones, and what is held back of either direction meanwhile.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "judgement.h"
#include "rewriter.h"
#include "ringfence/pg/pending_messages.h"
#include "spending.h"
#include "stand_ins.h"
#include "statement_check.h"
#include "withheld_result.h"

namespace ringfence::proxy {

class Gate {
 public:
  // `nonce`: see StandIns.
  Gate(std::shared_ptr<StatementJudge> judge, std::string_view nonce)
      : check_(std::move(judge)), stand_ins_(nonce) {}

  StatementCheck& check() { return check_; }
  const policy::Access& access() const { return check_.access(); }
  StandIns& stand_ins() { return stand_ins_; }
  const StandIns& stand_ins() const { return stand_ins_; }
  // Of the client's message at hand, or the last one that was decided.
  Judgement& judgement() { return judgement_; }
  const Judgement& judgement() const { return judgement_; }
  Rewriter& from_client() { return from_client_; }
  const Rewriter& from_client() const { return from_client_; }
  Rewriter& from_server() { return from_server_; }

  // What few sessions have: statements that go on with other texts, as the judgement says; and bounds.
  struct Changed {
    std::vector<pg::StatementNumber> in_flight;  // Of Queries.
    std::string notices;                         // For the client, behind the server's message at hand.
    std::unique_ptr<Spending> spending;
    std::unique_ptr<WithheldResult> withheld;  // While a bound keeps a result from the client.
    // Since the last ReadyForQuery something has ended that may have changed anything. Kept where there are
    // bounds.
    bool has_written = false;
  };
  Changed& changed() {
    if (!changed_) changed_ = std::make_unique<Changed>();
    return *changed_;
  }
  // By the grant in force; null: it has no bounds. `is_idle`: nothing is open that the former did not see.
  void use_spending(std::unique_ptr<Spending> spending, bool is_idle) {
    if (!spending && !changed_) return;
    if (!changed().spending) changed().has_written = !is_idle;
    changed().spending = std::move(spending);
  }
  // Null: all of what the server sends goes on.
  WithheldResult* withheld() const { return changed_ ? changed_->withheld.get() : nullptr; }
  Spending* spending() const { return changed_ ? changed_->spending.get() : nullptr; }
  // Whether that statement is one of a Query; asked once, at its end.
  bool is_changed(pg::StatementNumber number) {
    return changed_ && std::erase(changed_->in_flight, number) > 0;
  }
  bool has_notices() const { return changed_ && !changed_->notices.empty(); }
  std::string take_notices() { return std::exchange(changed_->notices, {}); }

  // The message is decided.
  void forget() {
    check_.forget();
    judgement_.start();
    stand_ins_.forget_answered();
  }

 private:
  StatementCheck check_;
  StandIns stand_ins_;
  Judgement judgement_;
  Rewriter from_client_;
  Rewriter from_server_;
  std::unique_ptr<Changed> changed_;
};

}  // namespace ringfence::proxy
