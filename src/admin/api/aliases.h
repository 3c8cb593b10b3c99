// Routes at the paths of other systems' contracts: each reaches the handler of a route of this API, and so
// has its scope, its checks and its events. See alias_table.h.
#pragma once

#include "alias_table.h"
#include "ringfence/admin/web/router.h"

namespace ringfence::admin {

// The schemas that these routes name, made of those of the other routes and put beside them.
void add_alias_schemas(model::Json& schemas, const std::vector<Route>& routes);
// The member of a contract for what went wrong, beside those of RFC 9457. `now_us`: Unix time.
void speak_as(Family family, http::Response& problem, uint64_t now_us);

// The route that this alias is of; null: there is none.
const Route* route_of(const Alias& alias, const std::vector<Route>& routes);

}  // namespace ringfence::admin
