// What has been spent of grants' budgets, and which shares of them (leases) nodes have.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"

namespace ringfence::store {

// Of queries, bytes and rows.
using BudgetAmounts = std::array<uint64_t, 3>;

class Budgets {
 public:
  // `connection` outlives it. `node`: of one run of an appliance.
  Budgets(Connection& connection, Uuid node) : connection_(connection), node_(to_string(node)) {}

  struct Settlement {
    const std::string& grant;
    BudgetAmounts spent;   // Since the last settlement that was confirmed.
    BudgetAmounts bounds;  // 0: none.
    uint64_t needed;       // Queries that the lease is to have at least, if they are free.
    uint64_t term_s;       // How long the new lease is this node's. 0: the lease is given back.
  };
  struct Settled {
    BudgetAmounts total;   // Spent by all, with this.
    BudgetAmounts leased;  // To this node from now on, in place of what it had: a quarter of what is free.
    std::array<bool, 3> is_over{};  // Of which nothing is left, with nobody.
  };
  // One transaction. Fault::not_found: there is no such grant any more.
  Result<Settled> settle(const Settlement& settlement);

 private:
  Result<Settled> settle_within(const Settlement& settlement);
  Connection& connection_;
  std::string node_;
};

}  // namespace ringfence::store
