// Where a page of a list begins, as text that goes to the client and comes back.
#pragma once

#include <string>

#include "ringfence/control/registry.h"

namespace ringfence::control {

// Behind this record of the query's order: the store's or a declared one.
std::string cursor_of(const store::ListQuery& query, const model::Json& last);
// The request with its cursor and values read. Fault::malformed says which parameter is wrong.
Result<store::ListQuery> query_of(const model::Noun& noun, const ListRequest& request);

}  // namespace ringfence::control
