// The clear texts of a row of the store, for who has the data keys.
#pragma once

#include <string>
#include <vector>

#include "ringfence/audit/data_keys.h"
#include "ringfence/audit/sealing.h"
#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// The texts that were redacted in the event, and in its outcome where that has a row of its own.
// Fault::not_found: there is no such event, nothing was redacted in it, or the key is not there;
// Fault::denied: a value is not what was sealed.
Result<std::vector<OpenedText>> reveal(store::Connection& store, const DataKeys& keys, const Uuid& event);
// Whether the store has an event of this id and action.
Result<bool> has_event(store::Connection& store, const Uuid& event, std::string_view action);

}  // namespace ringfence::audit
