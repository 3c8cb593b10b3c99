// The decision on one statement at a time: by the user's judge, by what a thread made for it found out of a
// text that is too much for a shard, and in the read-only form where that alone passes. Pure of IO.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "judgement.h"
#include "statement_judge.h"

namespace ringfence::proxy {

class StatementCheck {
 public:
  explicit StatementCheck(std::shared_ptr<StatementJudge> judge) : judge_(std::move(judge)) {}

  // Other policies from now on.
  void use(std::shared_ptr<StatementJudge> judge) { judge_ = std::move(judge); }
  // `statement` is one statement's own text.
  Verdict check(std::string_view statement) { return check(statement, false); }
  // The same of a statement whose text can still be changed: READ WRITE at level `read` passes as READ ONLY.
  Verdict check_sent(std::string_view statement) { return check(statement, true); }
  // Of the last check that passed: what is to go on in place of the text, as many bytes; empty: the text.
  std::string_view instead() const { return rare_ ? std::string_view(rare_->instead) : std::string_view(); }
  // Of the last check, which refused. Once.
  Refusal take_refusal() { return std::move(rare().refusal); }
  // Verdict::unknown: what analyze() said of that text; the next check of it knows.
  void analysed(std::string text, Result<sql::Facts> facts) {
    rare().analysed.emplace(std::move(text), std::move(facts));
  }
  // The message is decided: nothing is kept for it.
  void forget() { rare_.reset(); }

  // Of the last check that passed; until the next.
  const policy::Decision& decision() const { return *judge_->last(); }
  // Whether the statement that was checked last, and passed, calls what a policy admits by name.
  bool calls_named() const { return decision().calls_named_functions; }
  // Of the statement that was checked last; null where it could not be analysed.
  const sql::Facts* facts() const { return judge_->facts(); }
  // What let it pass. As long as the policies.
  std::string_view allowed_by() const { return judge_->allowed_by(); }

  std::optional<Refusal> check_call(uint32_t oid) const;
  const policy::Access& access() const { return judge_->access(); }
  int server_version() const { return judge_->session().server_version; }

 private:
  struct Rare {
    // Statements of the message at hand that were analysed elsewhere, and what came of it.
    std::map<std::string, Result<sql::Facts>, std::less<>> analysed;
    std::string instead;
    Refusal refusal;
  };
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  Verdict check(std::string_view statement, bool may_change);
  const policy::Decision* judge_read_only(std::string_view statement);

  std::shared_ptr<StatementJudge> judge_;
  std::unique_ptr<Rare> rare_;
};

}  // namespace ringfence::proxy
