// Names in rules against names in statements.
#pragma once

#include <string_view>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// `*` stands for any run of characters, also of none. Linear in the text for each `*`.
bool matches_wildcard(std::string_view pattern, std::string_view text);

// How a name without a schema counts under a rule with one: as if it were of that schema (deny), or not (allow).
enum class Doubt : bool { no, yes };

// "name" matches in any schema; "schema.name" both parts.
bool matches_name(std::string_view pattern, std::string_view schema, std::string_view name, Doubt doubt);

// The part of a column's pattern that names its relation, "" for none, and the column.
struct ColumnPattern {
  std::string_view relation;
  std::string_view column;
};
ColumnPattern split_column(std::string_view pattern);

}  // namespace ringfence::policy
