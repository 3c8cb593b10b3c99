// How a block stores a row's fields: once for all rows of a session, once for all statements of a kind, or
// for each row. Each tag but the node's, which the block has itself, is in one group; the statement is of the
// kind where the block has its text more than once, and of the row otherwise.
#pragma once

#include <bit>

#include "ringfence/audit/chain.h"

namespace ringfence::audit {

inline constexpr uint64_t session_group = facts_mask;
inline constexpr uint64_t kind_group =
    bit_of(Tag::category) | bit_of(Tag::action) | bit_of(Tag::severity) | bit_of(Tag::outcome) |
    bit_of(Tag::statement_bytes) | bit_of(Tag::statement_truncated) | bit_of(Tag::parameters_truncated) |
    bit_of(Tag::fingerprint) | bit_of(Tag::facts) | bit_of(Tag::decision) | bit_of(Tag::rule) |
    bit_of(Tag::sqlstate) | bit_of(Tag::command_tag) | bit_of(Tag::message_type) | bit_of(Tag::entity_type) |
    bit_of(Tag::redacted) | bit_of(Tag::attribution);
inline constexpr uint64_t row_group =
    ((uint64_t{1} << tag_end) - 2) &
    ~(session_group | kind_group | bit_of(Tag::node) | bit_of(Tag::statement));

// Rows of a block; a block of the store with more is none of the writer's.
inline constexpr size_t block_rows_max = 1'024;

// Calls each(tag) for the tags of a group, ascending.
template <typename F>
void for_each_tag(uint64_t group, F each) {
  for (uint64_t rest = group; rest != 0; rest &= rest - 1) each(static_cast<Tag>(std::countr_zero(rest)));
}

}  // namespace ringfence::audit
