// Which command tags the server may answer a statement with, as far as the statement's leading words tell. No
// grammar is needed for that: it holds for every statement that there is, and tells when another one has run
// than was recorded.
//
// What it cannot tell: one statement from another of the same kind (SELECT 1 from SELECT 2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringfence::sql {

// A set of command tags. Small, so that it can wait with a statement for its answer.
using ExpectedTag = uint16_t;
inline constexpr ExpectedTag any_tag =
    0;  // Words that say nothing: what an EXECUTE runs, a command of an extension.
inline constexpr ExpectedTag no_tag = 1;  // No statement: an empty query's answer.

// `text` as for Lexer; it begins with the statement. `is_whole` is false for the beginning of a longer text.
ExpectedTag expected_tag(std::string_view text, bool is_whole = true);

// Whether a statement may end with CommandComplete of this tag, with its counts: "INSERT 0 1".
bool allows_tag(ExpectedTag expected, std::string_view tag);
// Whether it may end with EmptyQueryResponse, with PortalSuspended.
bool allows_empty_answer(ExpectedTag expected);
bool allows_suspension(ExpectedTag expected);

// The words that were told by: "CREATE TABLE"; empty for any_tag and no_tag.
std::string_view leading_words(ExpectedTag expected);
// The tags, for people: "CREATE TABLE, CREATE TABLE AS, SELECT".
std::string describe_expected(ExpectedTag expected);

}  // namespace ringfence::sql
