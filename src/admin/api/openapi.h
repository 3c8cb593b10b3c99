// The API's description (OpenAPI 3.1.0), made of the routes as they are registered: none can be missing.
#pragma once

#include <vector>

#include "ringfence/admin/web/router.h"
#include "ringfence/model/json.h"

namespace ringfence::admin {

model::Json openapi(const std::vector<Route>& routes);

}  // namespace ringfence::admin
