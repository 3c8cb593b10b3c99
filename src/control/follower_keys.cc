// Whether this node's key ring is the store's. Where it is not, nothing can be told from what somebody wrote.
#include <algorithm>

#include "follower.h"

namespace ringfence::control {

std::string Follower::key_problem() const {
  const std::lock_guard guard(lock_);
  return key_problem_;
}

Result<bool> Follower::check_keys(const store::ControlRecords::Changes& changes, bool is_whole) {
  const auto is_authentic = [this](const auto& one) {
    return authority_.check(one) == Authority::Verdict::authentic;
  };
  if (is_whole)
    has_wrong_ring_ = !changes.records.empty() &&
                      std::none_of(changes.records.begin(), changes.records.end(), is_authentic);
  std::string problem;
  if (!changes.current_key.empty() && authority_.ring()->find(changes.current_key) == nullptr)
    problem = "the store's records are by the key \"" + changes.current_key +
              "\", which this node's key ring has not in use";
  else if (has_wrong_ring_) problem = "none of the store's records is by this node's key ring";
  if (!problem.empty())
    problem += "; bring the key ring of the appliance that wrote them (docs/operations.md)";
  if (!problem.empty() && is_starting_) return fail(Fault::denied, "key ring: " + problem);
  {
    const std::lock_guard guard(lock_);
    key_problem_ = problem;
  }
  if (problem.empty()) {
    distrusted_.erase("keys");
    return true;
  }
  // The next round looks at everything again.
  is_ring_new_ = true;
  image_.clear(had_rules());
  publish(revision_);
  distrust("keys", problem);
  return false;
}

}  // namespace ringfence::control
