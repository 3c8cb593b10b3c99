// What a session spends of its grant's budget, and what one statement may. Of a session whose grant has
// bounds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "ringfence/proxy/core/budget_account.h"
#include "statement_limit.h"

namespace ringfence::proxy {

class Spending {
 public:
  // `account`: null where the budget is not known, so that nothing may be spent.
  Spending(std::shared_ptr<const policy::Grant> grant, std::shared_ptr<BudgetAccount> account)
      : grant_(std::move(grant)), account_(std::move(account)) {}

  StatementLimit& limit() { return limit_; }
  const policy::StatementCaps& caps() const { return grant_->caps; }
  // So many statements begin.
  BudgetAccount::Take take(uint64_t statements, uint64_t now_ns) {
    if (!grant_->budget.is_bounded()) return BudgetAccount::Take::taken;
    if (!account_ || has_given_up_) return BudgetAccount::Take::spent;
    return account_->take(statements, now_ns);
  }
  // The store did not answer in time: the next statement is refused.
  void give_up() { has_given_up_ = true; }
  // What is refused by that.
  std::string why_refused() {
    const bool is_open = std::exchange(has_given_up_, false) || !account_;
    return is_open ? "the budget of your " + grant_->label() +
                         " is used up by others, or the store does not say what is left of it"
                   : "the budget of your " + grant_->label() + " is used up";
  }

  // What the server has sent goes to the client. False: that is too much, and why_over() says of what.
  bool add(uint64_t rows, uint64_t bytes) {
    rows_ += rows;
    bytes_ += bytes;
    const bool is_within =
        (caps().rows == 0 || rows_ <= caps().rows) && (caps().bytes == 0 || bytes_ <= caps().bytes);
    if (is_within && (!grant_->budget.is_bounded() || (account_ && account_->add(rows, bytes)))) return true;
    over_ = is_within
                ? "the budget of your " + grant_->label() + " is used up"
                : "the statement has more rows or bytes than your " + grant_->label() + " allows for one";
    return false;
  }
  void statement_is_over() {
    if (!has_suspended_) rows_ = bytes_ = 0;
  }
  void portal_is_suspended() { has_suspended_ = true; }
  void transaction_is_over() {
    has_suspended_ = false;
    statement_is_over();
  }
  // Empty: nothing was too much.
  const std::string& why_over() const { return over_; }

 private:
  std::shared_ptr<const policy::Grant> grant_;
  std::shared_ptr<BudgetAccount> account_;
  uint64_t rows_ = 0;  // Of the statement that runs.
  uint64_t bytes_ = 0;
  bool has_given_up_ = false;
  bool has_suspended_ = false;  // A portal may be gone on with.
  std::string over_;
  StatementLimit limit_;
};

}  // namespace ringfence::proxy
