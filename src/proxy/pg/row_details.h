// What the server's errors tell of rows: "Failing row contains (1, null, …)" shows every column, also one
// that the statement does not name and a rule denies.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::proxy {

// Whether a rule of the user's policies is about columns.
bool hides_columns(const policy::Access& access);
// The ErrorResponse to send in place of one whose DETAIL shows a row; "": it goes on as it is. `body` may be
// the beginning of `body_length` bytes alone: then what is there of it is sent, without the field that is
// cut.
std::string without_row(ByteView body, uint32_t body_length);

}  // namespace ringfence::proxy
