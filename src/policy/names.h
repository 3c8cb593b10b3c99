// Names in rules against names in statements.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/policy/policy.h"

namespace ringfence::policy {

// `*` stands for any run of characters, also of none. Linear in the text for each `*`.
bool matches_wildcard(std::string_view pattern, std::string_view text);

// What a name may hold besides letters, digits, `_`, `$`, `-` and `*` where it stands without quotes.
enum class NameOf : uint8_t { relation, function };

// The parts of a name as somebody wrote it: `orders`, `hr.*`, `hr."Orders"`. Why it is none; "" when it is
// one.
std::string parse_name(std::string_view text, size_t parts_max, NameOf what, std::vector<NamePart>& parts);

// How the doubtful counts: a name without a schema under a rule with one as if it were of that schema (deny),
// or not (allow); letters' case not at all (deny), or as PostgreSQL folds it (allow).
enum class Doubt : bool { no, yes };

bool matches_part(const NamePart& part, std::string_view name, Doubt doubt);
// "name" matches in any schema; "schema.name" both parts.
bool matches_name(std::span<const NamePart> pattern, std::string_view schema, std::string_view name,
                  Doubt doubt);

// Of a pattern of relations and all relations of a schema ("": of the database): whether it may name one of
// them, and whether it surely names each.
bool may_be_in(std::span<const NamePart> pattern, std::string_view schema);
bool covers_all_of(std::span<const NamePart> pattern, std::string_view schema);

}  // namespace ringfence::policy
