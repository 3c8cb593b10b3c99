// What a restricted session has beside an unrestricted one: the decision on its statements, the messages that
// stand in for refused ones, and what is held back of either direction meanwhile.
#pragma once

#include <memory>
#include <string_view>

#include "judgement.h"
#include "rewriter.h"
#include "stand_ins.h"
#include "statement_check.h"

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
};

}  // namespace ringfence::proxy
