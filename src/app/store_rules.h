// The store's policies and grants in a snapshot, beside the configuration's policies.
#pragma once

#include <memory>

#include "ringfence/control/budget_keeper.h"
#include "ringfence/control/in_force.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::app {

// Policies of the configuration and of the store, compiled together.
class AllPolicies {
 public:
  // A policy's name may stand in both. Compiles where one of the two has changed. Null: they cannot be used
  // together, and the log says why.
  std::shared_ptr<const policy::PolicySet> of(const std::shared_ptr<const policy::PolicySet>& configuration,
                                              const control::InForcePtr& store);

 private:
  bool has_any_ = false;
  std::shared_ptr<const policy::PolicySet> configuration_;
  std::shared_ptr<const std::vector<policy::Policy>> store_;
  std::shared_ptr<const policy::PolicySet> all_;
};

// All grants in force, with the accounts of those that have a budget.
void add_store_grants(proxy::Snapshot& to, const control::InForcePtr& store, control::BudgetKeeper& budgets);
// Those that have changed.
void change_store_grants(proxy::Snapshot& in, const control::InForcePtr& now, control::BudgetKeeper& budgets);

}  // namespace ringfence::app
