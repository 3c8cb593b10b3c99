// Records that the configuration declares, beside those of the store.
#pragma once

#include <string_view>

#include "ringfence/base/uuid.h"

namespace ringfence::model {

// The id that such a record has in the API: by its noun and name, on every node and after every reload.
Uuid declared_id(std::string_view noun, std::string_view name);

}  // namespace ringfence::model
