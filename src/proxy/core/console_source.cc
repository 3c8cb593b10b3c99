#include "ringfence/proxy/core/console_source.h"

#include "ringfence/base/clock.h"

namespace ringfence::proxy {

using Type = ConsoleColumn::Type;

namespace {

std::optional<std::string> time_or_null(uint64_t us) {
  return us == 0 ? std::nullopt : std::optional(rfc3339(us));
}

}  // namespace

std::vector<ConsoleColumn> console_session_columns() {
  return {{"id"},
          {"protocol"},
          {"user"},
          {"target"},
          {"database"},
          {"client_addr"},
          {"application_name"},
          {"state"},
          {"tls", Type::boolean},
          {"connected_at"},
          {"last_activity_at"},
          {"running_since"},
          {"statements", Type::integer},
          {"bytes_to_client", Type::integer},
          {"bytes_to_server", Type::integer},
          {"shard", Type::integer}};
}

ConsoleTable::Row console_session_row(const model::SessionInfo& session) {
  return {to_string(session.id),
          session.protocol,
          session.user,
          session.target,
          session.database,
          session.client_addr,
          session.application_name,
          session.state,
          session.tls ? "t" : "f",
          time_or_null(session.connected_at_us),
          time_or_null(session.last_activity_us),
          time_or_null(session.running_since_us),
          std::to_string(session.statements),
          std::to_string(session.bytes_to_client),
          std::to_string(session.bytes_to_server),
          std::to_string(session.shard)};
}

}  // namespace ringfence::proxy
