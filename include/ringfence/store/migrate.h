// The store's schema: numbered migrations, each in its own transaction, in order, under an advisory lock.
#pragma once

#include "ringfence/store/connection.h"

namespace ringfence::store {

struct MigrationReport {
  int from = 0;  // Schema number found; 0 for an empty database.
  int to = 0;
};

// Brings the database to this version's schema. Refuses (Fault::conflict) one that is newer than known.
Result<MigrationReport> migrate(Connection& connection);
int schema_known();

}  // namespace ringfence::store
