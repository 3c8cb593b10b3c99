// What a policy must be like beyond what compiling it finds (policy::PolicySet::compile): the bounds of what
// is shown and kept of it.
#pragma once

#include "ringfence/model/defect.h"
#include "ringfence/policy/policy.h"

namespace ringfence::model {

inline constexpr size_t policies_max = 10'000;
inline constexpr size_t policy_items_max = 10'000;
inline constexpr size_t policy_rules_max = 1'000;
inline constexpr size_t policy_metadata_max = 100;
inline constexpr size_t policy_message_bytes_max = 1'000;

Defects defects(const policy::Policy& policy);

}  // namespace ringfence::model
