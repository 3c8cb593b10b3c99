// Conditions that pick nothing.
#pragma once

#include "grammar.h"

namespace ringfence::sql {

// Whose rows a statement changes.
struct Changed {
  const PgQuery__RangeVar* target = nullptr;
  bool is_joined_with_itself = false;  // Then columns of one name count as the same one.
};
// `from` is what the statement joins its target with: FROM, USING.
Changed changed_by(const PgQuery__RangeVar* target, PgQuery__Node* const* from, size_t count);

// Whether a condition picks none of the changed rows by what is in them: it is absent, or no column decides
// it that may be theirs.
bool is_vacuous(const Message* where, const Changed& changed);

}  // namespace ringfence::sql
