// The compiled-in migrations, ascending by number from 1.
#pragma once

namespace ringfence::store {

struct Migration {
  int number;
  const char* name;
  const char* sql;
};
extern const Migration migrations[];
extern const int migrations_count;

}  // namespace ringfence::store
