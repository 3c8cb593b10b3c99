#include "ringfence/sql/facts.h"

#include <algorithm>

namespace ringfence::sql {

const char* level_name(Level level) {
  switch (level) {
    case Level::read: return "read";
    case Level::write: return "write";
    case Level::ddl: return "ddl";
    case Level::admin: return "admin";
  }
  return "admin";
}

Level Facts::level() const {
  Level level = Level::read;
  for (const Effect& effect : effects) level = std::max(level, effect.level);
  return level;
}

}  // namespace ringfence::sql
