#include "spending.h"

namespace ringfence::proxy {

Spending::Bound Spending::exceeded(uint64_t rows, uint64_t bytes) const {
  const std::string of = grant_->label();
  const auto of_statement = [&](std::string_view name, uint64_t bound, std::string_view unit) {
    return Bound{.rule = of + ": " + std::string(name),
                 .amount = std::to_string(bound) + " " + std::string(unit) + " of one statement",
                 .message = "the statement has more rows or bytes than your " + of + " allows for one"};
  };
  if (rows > left_of(caps().rows, rows_)) return of_statement("statement_rows", caps().rows, "rows");
  if (bytes > left_of(caps().bytes, bytes_)) return of_statement("statement_bytes", caps().bytes, "bytes");
  const bool is_of_rows = account_ && rows > account_->left(BudgetAccount::rows);
  const uint64_t bound = is_of_rows ? grant_->budget.rows : grant_->budget.bytes;
  return {.rule = of + (is_of_rows ? ": max_rows" : ": max_bytes"),
          .amount = bound == 0 ? "the grant's budget"
                               : std::to_string(bound) + (is_of_rows ? " rows" : " bytes") + " in all",
          .message = "the budget of your " + of + " is used up"};
}

}  // namespace ringfence::proxy
