// A rule's conditions against a statement.
#pragma once

#include "subject.h"

namespace ringfence::policy {

// Deny and hold: something of the statement meets each of the conditions; `at`: where, if at a word.
bool meets_rule(const Subject& subject, const Rule& rule, sql::Place& at);

// Allow: all of the statement is within the conditions.
bool is_within_rule(const Subject& subject, const Rule& rule);

}  // namespace ringfence::policy
