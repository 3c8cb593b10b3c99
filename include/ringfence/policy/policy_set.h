// All policies of a snapshot, compiled, and what they give a user on a target.
//
// What always holds: immutable; a set either compiled whole or is not there.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/policy/grant.h"
#include "ringfence/policy/patterns.h"
#include "ringfence/policy/policy.h"

namespace ringfence::policy {

class PolicySet;

// What a user's roles give on a target: the matching policies taken together.
struct Access {
  std::shared_ptr<const PolicySet> set;
  std::vector<const Policy*> policies;  // Of the set, in its order; empty: no access.
  std::vector<std::string> roles;       // Of the user, those by which the policies matched.
  // The one that decides; null: policies alone do. Policies' rules and whitelists hold all the same.
  std::shared_ptr<const Grant> grant;
  Level level = Level::read;           // The grant's; without one that of the policies.
  Level policies_level = Level::read;  // The highest of the policies.
  // Why there is no access, whatever policies and grants give: one of them is in doubt. Empty: there may be.
  std::string closed_because;
  // Why each statement is refused for now; empty: none is for this.
  std::string suspended_because;
  bool has_whitelist = false;
  bool has_allow = false;
  bool has_deny = false;
  bool admits_by_name = false;  // Functions or kinds beyond the level.
  bool has_hold = false;
  bool closes_catalog = false;       // Rules about relations or columns, and no policy with catalog: open.
  std::vector<PatternId> whitelist;  // Of all of them, ascending.

  bool is_granted() const { return closed_because.empty() && (grant || !policies.empty()); }
  // Every statement passes, whatever it is, and nobody looks at what passes: text that cannot be analysed
  // too.
  bool is_unrestricted() const { return admits_all() && !(grant && grant->is_bounded()); }
  // Every statement passes by what it says.
  bool admits_all() const {
    return is_granted() && level == Level::admin && !has_whitelist && !has_allow && !has_deny && !has_hold &&
           !blocks_copy() && suspended_because.empty();
  }
  bool blocks_copy() const { return grant && grant->blocks_copy; }
  // The grant decides from here on.
  void use(std::shared_ptr<const Grant> decides);
};

// What stands in a record's `rule` is cut to this.
inline constexpr size_t label_bytes_max = 160;

struct Problem {
  std::string where;    // "ringfence.yaml:12"
  std::string message;  // What is wrong and what to write instead.
};

class PolicySet : public std::enable_shared_from_this<PolicySet> {
 public:
  // Nothing, with every problem, when any policy is wrong.
  static std::shared_ptr<const PolicySet> compile(std::vector<Policy> policies,
                                                  std::vector<Problem>& problems);

  // A policy is matched by one of the user's roles ("*": any) and by its tags: all of them (or any of them,
  // as it says) are the target's. Without tags it matches targets without tags only; the tag "*" is on every
  // target.
  Access access(const std::vector<std::string>& roles, const std::vector<std::string>& tags) const;

  const std::vector<Policy>& policies() const { return policies_; }
  const Patterns& patterns() const { return *patterns_; }
  const Text& pattern(PatternId id) const { return texts_[id]; }
  // "whitelist ringfence.yaml:12"
  const std::string& pattern_label(PatternId id) const { return pattern_labels_[id]; }
  // What deserves a warning: patterns that match everything, policies that change nothing.
  std::vector<Problem> lint() const;

 private:
  PolicySet() = default;
  void lint_patterns(std::vector<Problem>& advice) const;
  void lint_reach(std::vector<Problem>& advice) const;
  std::vector<Policy> policies_;
  std::vector<Text> texts_;
  std::vector<std::string> pattern_labels_;
  std::vector<std::vector<PatternId>> whitelists_;  // For each policy.
  std::shared_ptr<const Patterns> patterns_;
};

}  // namespace ringfence::policy
