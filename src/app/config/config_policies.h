// The `policies` of the configuration.
#pragma once

#include <memory>
#include <vector>

#include "config_places.h"
#include "config_reader.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::app {

// Reads and compiles; null, with the errors in the section's context, when anything is wrong.
std::shared_ptr<const policy::PolicySet> read_policies(Section& root, Places& places);

}  // namespace ringfence::app
