// What readers see beside the chains: relations, columns, partitions, rules and policies that no migration
// made, and rows that belong to no node's chain.
#pragma once

#include <string>
#include <vector>

#include "ringfence/audit/verify.h"
#include "ringfence/base/result.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Fault::conflict when the store's schema is not this version's: then nothing can be said about it.
Result<void> check_schema_number(store::Connection& store);
// Of the catalog, and of the tables that have no chain of their own. Within the snapshot that the rows are
// read in.
Result<std::vector<Finding>> check_schema(store::Connection& store);
// The views' definitions, in a transaction of its own that makes temporary views and takes them back; `note`
// says why they could not be compared, where they could not.
Result<std::vector<Finding>> check_views(store::Connection& store, std::string& note);

}  // namespace ringfence::audit
