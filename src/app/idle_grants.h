// What `explain` tells of grants that name what the configuration does not have.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ringfence/proxy/core/find_access.h"

namespace ringfence::app {

using IdleGrants = std::vector<proxy::GrantWithoutEffect>;

// [{"id", "number", "because"}]
nlohmann::ordered_json json_of(const IdleGrants& grants);
// A line for each; empty where there is none.
std::string describe(const IdleGrants& grants);
// "; grant 12 has no effect: …", behind what is said of a user or target that is not there.
std::string told_behind(const IdleGrants& grants);

}  // namespace ringfence::app
