// Policies for tests of what does not concern policies.
#pragma once

#include <doctest/doctest.h>

#include "ringfence/policy/policy_set.h"

namespace ringfence {

// Whoever has the role `role` gets `level` on targets without tags.
inline std::shared_ptr<const policy::PolicySet> policies_for(
    const char* role, policy::Level level, const std::vector<policy::Text>& denied_kinds = {}) {
  policy::Policy policy;
  policy.name = "test";
  policy.roles.push_back({role, ""});
  policy.level = level;
  if (!denied_kinds.empty()) policy.deny.emplace_back().kinds = denied_kinds;
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return set;
}
inline std::shared_ptr<const policy::PolicySet> everything_for_everybody() {
  return policies_for("*", policy::Level::admin);
}

}  // namespace ringfence
