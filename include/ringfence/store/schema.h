// What the migrations make together, for who has to tell it from what others put beside it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ringfence::store {

// Columns of each table of the schema `ringfence`; none of a partition that the migrations make, which has
// its parent's.
const std::map<std::string, std::vector<std::string>>& schema_tables();
// The query of each view.
const std::map<std::string, std::string>& schema_views();

}  // namespace ringfence::store
