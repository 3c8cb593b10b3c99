// Text to facts, by libpg_query: PostgreSQL 15's grammar.
//
// The grammar's tree is as deep as the text chains operators, and both its stack use and its time grow with
// that (time with the square), so every caller asks for the effort first and chooses the thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "ringfence/base/result.h"
#include "ringfence/sql/facts.h"

namespace ringfence::sql {

enum class Effort : uint8_t {
  small,  // At most some milliseconds and `small_stack_bytes` of stack: a data shard may do it.
  large,  // Up to about a second and `large_stack_bytes`: for a thread made for it.
  refused,
};

inline constexpr size_t small_stack_bytes = size_t{4} << 20;
inline constexpr size_t large_stack_bytes = size_t{256} << 20;
// Tokens in all, and tokens that can make the tree deeper: not literals, parameters, commas and parentheses.
inline constexpr size_t small_tokens_max = 1'000;
inline constexpr size_t small_links_max = 300;
inline constexpr size_t tokens_max = 200'000;
inline constexpr size_t links_max = 20'000;

// One pass of the lexer.
Effort effort(std::string_view text);

// Facts of one statement, with or without the `;` that ends it. Fault::malformed with the grammar's own
// message when the text does not parse or is not exactly one statement; Fault::limit when the effort is
// refused. Allocates.
Result<Facts> analyze(std::string_view statement);

}  // namespace ringfence::sql
