// Records that the configuration declares, beside those of the store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/uuid.h"

namespace ringfence::model {

// The id that such a record has in the API: by its noun and name, on every node and after every reload.
Uuid declared_id(std::string_view noun, std::string_view name);
// Whether an id is one of these. The store's own are of another version (RFC 9562).
bool is_declared_id(const Uuid& id);
// For who wants numeric ids: of the record with this id, from 2^52 to 2^53 - 1, which every JSON reader
// takes. Numbers of the store begin with 1.
int64_t declared_number(const Uuid& id);
// "user ana": what is not there where the configuration does not declare it.
std::string declared_label(std::string_view noun, std::string_view name);

}  // namespace ringfence::model
