// What a session spends of its grant's budget, and what one statement may. Of a session whose grant has
// bounds.
#pragma once

#include <algorithm>
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

  // How much of what the server sends may still go to the client.
  struct Left {
    uint64_t rows;
    uint64_t bytes;
    bool holds(uint64_t more_rows, uint64_t more_bytes) const {
      return more_rows <= rows && more_bytes <= bytes;
    }
  };
  Left left() const {
    const Left by_caps{left_of(caps().rows, rows_), left_of(caps().bytes, bytes_)};
    if (!grant_->budget.is_bounded()) return by_caps;
    if (!account_) return {0, 0};
    return {std::min(by_caps.rows, account_->left(BudgetAccount::rows)),
            std::min(by_caps.bytes, account_->left(BudgetAccount::bytes))};
  }
  // It goes to the client.
  void add(uint64_t rows, uint64_t bytes) {
    rows_ += rows;
    bytes_ += bytes;
    if (account_ && grant_->budget.is_bounded()) account_->add(rows, bytes);
  }
  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }
  // A bound that so much more goes beyond.
  struct Bound {
    std::string rule;     // "grant 12: statement_rows"
    std::string amount;   // "100 rows of one statement"
    std::string message;  // For the client.
  };
  Bound exceeded(uint64_t rows, uint64_t bytes) const;
  void statement_is_over() {
    if (!has_suspended_) rows_ = bytes_ = 0;
  }
  void portal_is_suspended() { has_suspended_ = true; }
  void transaction_is_over() {
    has_suspended_ = false;
    statement_is_over();
  }

 private:
  static uint64_t left_of(uint64_t bound, uint64_t used) {
    return bound == 0 ? ~uint64_t{0} : bound - std::min(bound, used);
  }

  std::shared_ptr<const policy::Grant> grant_;
  std::shared_ptr<BudgetAccount> account_;
  uint64_t rows_ = 0;  // Of the statement that runs.
  uint64_t bytes_ = 0;
  bool has_given_up_ = false;
  bool has_suspended_ = false;  // A portal may be gone on with.
  StatementLimit limit_;
};

}  // namespace ringfence::proxy
