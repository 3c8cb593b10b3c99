// What a grant gives, as decisions use it. Whom it is about, on what and when is not theirs (model/grant.h).
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// Of all sessions on all nodes together; 0: no bound.
struct Budget {
  uint64_t queries = 0;
  uint64_t bytes = 0;  // To clients.
  uint64_t rows = 0;
  bool is_bounded() const { return queries != 0 || bytes != 0 || rows != 0; }
  bool operator==(const Budget&) const = default;
};

// Of one statement; 0: no bound.
struct StatementCaps {
  uint64_t rows = 0;
  uint64_t bytes = 0;  // To its client.
  uint64_t ms = 0;
  bool is_bounded() const { return rows != 0 || bytes != 0 || ms != 0; }
  bool operator==(const StatementCaps&) const = default;
};

struct Grant {
  std::string id;  // Of its record.
  int64_t number = 0;
  int64_t version = 0;
  // With what the controls leave of it: read_only at most read, block_ddl at most write.
  sql::Level level = sql::Level::read;
  bool blocks_copy = false;
  Budget budget;
  StatementCaps caps;
  // Its record is in doubt: whom it is about has no access.
  bool is_in_doubt = false;

  bool is_bounded() const { return budget.is_bounded() || caps.is_bounded(); }
  // "grant 12"
  std::string label() const { return "grant " + std::to_string(number); }
};

}  // namespace ringfence::policy
