// Values that stand in a statement itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grammar.h"
#include "ringfence/sql/facts.h"

namespace ringfence::sql {

// As the grammar folds names: ASCII alone.
std::string lower(std::string_view text);
// Of a node that may know where it stands.
inline Place place(int32_t location, Place otherwise) {
  return location >= 0 ? static_cast<Place>(location) : otherwise;
}
// The text of a constant, through casts; nothing for anything that is computed, and for NULL.
std::optional<std::string> constant_text(const Message* message);
// The same for an argument that is text: only through casts that leave it as it is. 2::bit(1)::text is '0'.
std::optional<std::string> constant_argument(const Message* message);

}  // namespace ringfence::sql
