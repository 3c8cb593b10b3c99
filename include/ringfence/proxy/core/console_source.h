// What the console (the virtual database `ringfence`) asks of the rest of the appliance, and the tables that
// it shows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/uuid.h"
#include "ringfence/model/session_info.h"
#include "ringfence/ring/shard.h"

namespace ringfence::proxy {

struct ConsoleColumn {
  enum class Type : uint8_t { text, integer, boolean };
  std::string_view name;
  Type type = Type::text;
};

struct ConsoleTable {
  // Values as PostgreSQL writes them: "t" and "f" are the booleans'. Nothing: null.
  using Row = std::vector<std::optional<std::string>>;

  std::vector<ConsoleColumn> columns;
  std::vector<Row> rows;
  bool is_cut = false;  // There are more rows.
};

// The rows and columns of open sessions.
std::vector<ConsoleColumn> console_session_columns();
ConsoleTable::Row console_session_row(const model::SessionInfo& session);

enum class ConsoleQuestion : uint8_t {
  sessions,  // Rows as console_session_row() has them, the oldest session first.
  stats,     // Rows (name, value).
  config,    // Rows (key, value), without secrets.
};

class ConsoleSource {
 public:
  virtual ~ConsoleSource() = default;
  // Called on the thread of `home`, which gets the answer, later and at most once. It may come too late, and
  // may be destroyed uncalled on any thread. At most `rows_max` rows.
  virtual void ask(ConsoleQuestion question, size_t rows_max, ring::Shard& home,
                   std::function<void(std::vector<ConsoleTable::Row>)> done) = 0;
  // Ends a session of any shard; `by` says who asked, for the trail.
  virtual void end(const Uuid& session, std::string by, ring::Shard& home,
                   std::function<void(bool found)> done) = 0;
};

}  // namespace ringfence::proxy
