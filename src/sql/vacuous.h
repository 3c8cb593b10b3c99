// Conditions that pick nothing.
#pragma once

#include "grammar.h"

namespace ringfence::sql {

// Whether a WHERE picks no rows by what is in them: it is absent, or no column decides it.
bool is_vacuous(const Message* where);

}  // namespace ringfence::sql
