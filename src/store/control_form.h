// Whether what a row gave has the form of a record. The store's owner can change columns and their types.
#pragma once

#include <optional>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"
#include "ringfence/store/control_records.h"

namespace ringfence::store {

// Nothing: no appliance has written such a body. Fields of the noun may be null; the others are there.
std::optional<model::Json> record_in(const model::Noun& noun, ByteView text);
// Of a row of ringfence_control.tombstones.
std::optional<model::Json> tombstone_in(ByteView text);

// Of an answer to stone_select(). Those of a noun that is not known here, or of another form, are left out.
std::vector<Tombstone> stones_in(const Rows& rows);

}  // namespace ringfence::store
