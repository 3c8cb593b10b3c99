#include "ringfence/model/target_record.h"

#include <nlohmann/json.hpp>

#include "ringfence/model/json_fields.h"
#include "ringfence/model/target_secrets.h"

namespace ringfence::model {

namespace {

template <typename T>
T number(const Json& record, const char* field, T without) {
  const Json& value = record.at(field);
  return value.is_number_integer() ? value.get<T>() : without;
}

}  // namespace

PgTarget pg_target_of(const Json& record) {
  PgTarget out;
  out.name = text_in(record, "name");
  out.hosts = record.at("hosts").get<std::vector<std::string>>();
  out.port = number<uint16_t>(record, "port", out.port);
  out.database = text_in(record, "database");
  if (out.database.empty()) out.database = out.name;
  out.user = text_in(record, "user");
  const std::string mode = text_in(record, "sslmode");
  for (const auto& [name, value] : ssl_mode_names) {
    if (name == mode) out.sslmode = value;
  }
  out.tls_files.ca = text_in(record, "sslrootcert");
  if (out.tls_files.ca.empty()) out.tls_files.ca = text_in(record, "ca_certificate");
  for (const TargetSecret& secret : target_secrets()) {
    const bool is_given = !record.at(secret.user).is_null() || !record.at(secret.sealed).is_null();
    if (secret.level && is_given) out.credentials[*secret.level].user = text_in(record, secret.user);
  }
  out.pool.max = number<uint32_t>(record, "pool_max", out.pool.max);
  out.pool.min = number<uint32_t>(record, "pool_min", out.pool.min);
  out.pool.idle_ms = number<uint64_t>(record, "pool_idle_ms", out.pool.idle_ms);
  out.tags = record.at("tags").get<std::vector<std::string>>();
  out.connections_max = number<uint32_t>(record, "connections_max", 0);
  return out;
}

TcpTarget tcp_target_of(const Json& record) {
  TcpTarget out;
  out.name = text_in(record, "name");
  out.hosts = record.at("hosts").get<std::vector<std::string>>();
  out.port = number<uint16_t>(record, "port", 0);
  out.tags = record.at("tags").get<std::vector<std::string>>();
  out.connections_max = number<uint32_t>(record, "connections_max", 0);
  return out;
}

}  // namespace ringfence::model
