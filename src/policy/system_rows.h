// PostgreSQL's own tables, whose rows are roles, rights, code and definitions: who writes them as a superuser
// does whatever level `admin` does.
#pragma once

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// The relation of the catalog of which a statement changes rows; nullptr: it changes none. UPDATE pg_settings
// is a SET and none of them.
const sql::RelationUse* changed_system_relation(const sql::Facts& facts);

}  // namespace ringfence::policy
