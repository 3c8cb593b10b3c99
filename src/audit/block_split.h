// Takes away the end of a node's rows, whatever they are stored as.
#pragma once

#include <string>

#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Inside of a transaction, by the owner's connection. Removes what stands behind `last`, and what cannot be a
// row's number; the rows of a block up to `last`, whose links are there, become rows of audit_row. Gives how
// many rows went.
Result<uint64_t> remove_rows_behind(store::Connection& owner, const std::string& node, uint64_t last);

}  // namespace ringfence::audit
