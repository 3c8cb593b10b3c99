#include "ringfence/model/target_record.h"

#include <nlohmann/json.hpp>

namespace ringfence::model {

namespace {

std::string text(const Json& record, const char* field) {
  const Json& value = record.at(field);
  return value.is_string() ? value.get<std::string>() : "";
}
template <typename T>
T number(const Json& record, const char* field, T without) {
  const Json& value = record.at(field);
  return value.is_number_integer() ? value.get<T>() : without;
}

}  // namespace

PgTarget pg_target_of(const Json& record) {
  PgTarget out;
  out.name = text(record, "name");
  out.hosts = record.at("hosts").get<std::vector<std::string>>();
  out.port = number<uint16_t>(record, "port", out.port);
  out.database = text(record, "database");
  if (out.database.empty()) out.database = out.name;
  out.user = text(record, "user");
  const std::string mode = text(record, "sslmode");
  for (const auto& [name, value] : ssl_mode_names) {
    if (name == mode) out.sslmode = value;
  }
  out.tls_files.ca = text(record, "sslrootcert");
  out.tags = record.at("tags").get<std::vector<std::string>>();
  out.connections_max = number<uint32_t>(record, "connections_max", 0);
  return out;
}

TcpTarget tcp_target_of(const Json& record) {
  TcpTarget out;
  out.name = text(record, "name");
  out.hosts = record.at("hosts").get<std::vector<std::string>>();
  out.port = number<uint16_t>(record, "port", 0);
  out.tags = record.at("tags").get<std::vector<std::string>>();
  out.connections_max = number<uint32_t>(record, "connections_max", 0);
  return out;
}

}  // namespace ringfence::model
