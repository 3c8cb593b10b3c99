// What of the catalog shows data of other relations, or other people's statements, whatever rules keep from a
// user: closed to those whose policies have rules about relations or columns.
#pragma once

#include <string_view>

namespace ringfence::policy {

struct ClosedRelation {
  std::string_view schema;  // "": in any.
  std::string_view name;    // With `*`.
  std::string_view column;  // "": all of it; otherwise only who names this column, or every one.
};

// nullptr: open. A name without a schema counts as one of pg_catalog.
const ClosedRelation* closed_relation(std::string_view schema, std::string_view name);
// What holds passwords in one of its columns, beside the relations that the catalog's list refuses as a
// whole.
const ClosedRelation* secret_relation(std::string_view schema, std::string_view name);
bool is_closed_function(std::string_view name);

}  // namespace ringfence::policy
