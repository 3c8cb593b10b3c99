#include "store_rules.h"

#include <set>

#include "ringfence/base/log.h"
#include "ringfence/proxy/core/find_access.h"

namespace ringfence::app {

std::shared_ptr<const policy::PolicySet> AllPolicies::of(
    const std::shared_ptr<const policy::PolicySet>& configuration, const control::InForcePtr& store) {
  const auto of_store = store ? store->policies : nullptr;
  if (has_any_ && configuration == configuration_ && of_store == store_) return all_;
  has_any_ = true;
  configuration_ = configuration;
  store_ = of_store;
  all_ = configuration;
  if (!of_store || of_store->empty()) return all_;
  std::vector<policy::Policy> policies;
  std::set<std::string> names;
  if (configuration) policies = configuration->policies();
  for (const policy::Policy& policy : policies) names.insert(policy.name);
  for (policy::Policy policy : *of_store) {
    if (names.contains(policy.name)) policy.name += " (store)";
    policies.push_back(std::move(policy));
  }
  std::vector<policy::Problem> problems;
  all_ = policy::PolicySet::compile(std::move(policies), problems);
  for (const policy::Problem& problem : problems)
    log_error("the store's policies cannot be used",
              {{"policy", problem.where}, {"reason", problem.message}});
  return all_;
}

namespace {

void add(proxy::Snapshot& to, const model::Grant& grant, control::BudgetKeeper& budgets) {
  proxy::add_grant(to, grant);
  if (auto account = budgets.account(grant)) to.budgets.set(grant.id, std::move(account));
  else to.budgets.erase(grant.id);
}

}  // namespace

void add_store_grants(proxy::Snapshot& to, const control::InForcePtr& store, control::BudgetKeeper& budgets) {
  if (!store) return;
  for (const auto& [id, grant] : store->grants) add(to, grant, budgets);
}

void change_store_grants(proxy::Snapshot& in, const control::InForcePtr& now,
                         control::BudgetKeeper& budgets) {
  for (const model::Grant& before : now->changed_grants) {
    if (const model::Grant* grant = now->grants.find(before.id)) {
      add(in, *grant, budgets);
      continue;
    }
    proxy::drop_grant(in, before);
    in.budgets.erase(before.id);
  }
}

}  // namespace ringfence::app
