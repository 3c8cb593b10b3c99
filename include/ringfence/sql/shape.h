// A statement without its constants: what facts are cached by.
//
// What always holds: two texts with the same shape have the same tokens in the same order, identifiers,
// keywords and parameters byte for byte, and constants of the same class (integer, decimal, 'x', E'x', B'',
// X'', U&'', $$x$$). So they have the same facts wherever Facts::is_shape_cacheable says that the shape
// decides, which is checked on one text of the shape. Compare shapes in full; their hash only finds them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringfence::sql {

// Replaces `shape` by the text's; its capacity is kept, so that a shard's own string stops growing. False,
// with the shape not to be used, for a text that does not end where its last token does: a literal or a
// comment is open. `bytes_max` bounds the shape; beyond it false too.
bool make_shape(std::string_view text, std::string& shape, size_t bytes_max = size_t{64} << 10);

}  // namespace ringfence::sql
