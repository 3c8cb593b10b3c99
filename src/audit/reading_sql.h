// The commands by which the trail is read.
#pragma once

#include <optional>
#include <string>

#include "ringfence/audit/reading.h"

namespace ringfence::audit {

// A row: chain_no, the time in microseconds, and the row as JSON, all as text.
//
// $1 is the node, $2 the first number that is too high; from $3 on the filters' values, each of them in its
// order.
std::string page_sql(const TrailRequest& request, size_t limit);
// $1 the row's id, $2 the time before which it cannot have been recorded. Has the node in front.
std::string one_sql(TrailPart part);
// Ends of sessions: session_id, and what they add. $1 the node, $2 the number behind which they stand, $3 the
// sessions as an array.
std::string ends_sql();

}  // namespace ringfence::audit
