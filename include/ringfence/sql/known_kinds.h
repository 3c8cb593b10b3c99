// Every kind that a statement can be of, for whoever names one in a rule.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ringfence/sql/facts.h"

namespace ringfence::sql {

struct KnownKind {
  std::string_view name;  // "drop_table"
  Level level;            // The least that admits it.
  bool has_relations;     // Whether a statement of it can name relations or columns.
};

// By name, ascending.
std::span<const KnownKind> known_kinds();
// The one whose name is likest to what somebody wrote; nothing when none is like it.
std::optional<std::string_view> nearest_kind(std::string_view written);

}  // namespace ringfence::sql
