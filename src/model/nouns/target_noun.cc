// Servers that users reach through the appliance.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/target_record.h"
#include "ringfence/model/target_rules.h"
#include "ringfence/model/target_secrets.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

constexpr std::string_view types[] = {"postgres", "tcp"};
constexpr std::string_view ssl_modes[] = {"disable", "allow",     "prefer",
                                          "require", "verify-ca", "verify-full"};
constexpr std::string_view root_certificates[] = {"system"};

constexpr Field user_of_level(std::string_view name) {
  return {.name = name,
          .description = "In place of user, for sessions of this access level; null: user and password.",
          .max = 63};
}
constexpr Field password_of_level(std::string_view name) {
  return {.name = name,
          .description = "Of the level's user, kept as password is.",
          .exposure = Exposure::write_only,
          .min = 1,
          .max = password_bytes_max};
}
constexpr Field set_at_of_level(std::string_view name) {
  return {.name = name,
          .kind = FieldKind::time,
          .description = "When the level's password was set; null: there is none.",
          .exposure = Exposure::read_only};
}
constexpr Field sealed_of_level(std::string_view name) {
  return {.name = name, .description = "", .exposure = Exposure::hidden, .max = 4'096};
}
constexpr Field pool_field(std::string_view name, std::string_view description, Range range) {
  return {.name = name,
          .kind = FieldKind::integer,
          .description = description,
          .min = static_cast<int64_t>(range.min),
          .max = static_cast<int64_t>(range.max)};
}

constexpr Field target_fields[] = {
    name_field("What people ask for, as the name of their database.", 63, check_target_name),
    {.name = "type",
     .description =
         "What the server speaks. One of type tcp needs a listener of the configuration that names it.",
     .is_fixed = true,
     .is_filter = true,
     .max = 16,
     .choices = types,
     .default_json = "\"postgres\""},
    {.name = "description", .description = "For people.", .max = 1'000},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A target that is not enabled is there for nobody; open sessions end.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "hosts",
     .kind = FieldKind::texts,
     .description = "Host names, IP addresses, or directories of Unix sockets, tried in order.",
     .is_required = true,
     .max = target_hosts_max,
     .check = check_host},
    {.name = "port",
     .kind = FieldKind::integer,
     .description = "The server's port; of type postgres 5432 where nothing is said.",
     .min = 1,
     .max = 65'535},
    {.name = "database", .description = "On the server; the target's name where nothing is said.", .max = 63},
    {.name = "user", .description = "The server's user that sessions have.", .max = 63},
    {.name = "password",
     .description = "Of that user. It is kept sealed and never shown; null: none.",
     .exposure = Exposure::write_only,
     .min = 1,
     .max = password_bytes_max},
    {.name = "password_set_at",
     .kind = FieldKind::time,
     .description = "When the password was set; null: there is none.",
     .exposure = Exposure::read_only},
    {.name = "sealed_password", .description = "", .exposure = Exposure::hidden, .max = 4'096},
    {.name = "sslmode",
     .description = "As libpq has it.",
     .max = 16,
     .choices = ssl_modes,
     .default_json = "\"prefer\""},
    {.name = "sslrootcert",
     .description = "system: the machine's CA certificates, for sslmode verify-full.",
     .max = 16,
     .choices = root_certificates},
    {.name = "ca_certificate",
     .description = "CA certificates in PEM that the server's is checked against, in place of sslrootcert.",
     .max = 32'768,
     .check = check_certificates},
    {.name = "tags",
     .kind = FieldKind::texts,
     .description = "What policies match.",
     .max = target_tags_max,
     .check = check_tag},
    {.name = "groups",
     .kind = FieldKind::references,
     .description = "Groups of targets that this one is a member of.",
     .is_filter = true,
     .max = 64,
     .of = "target_group"},
    {.name = "connections_max",
     .kind = FieldKind::integer,
     .description = "Of connections at once; 0: no bound of its own.",
     .max = 1'000'000,
     .default_json = "0"},
    pool_field("pool_max", "Server connections that wait for their next session; null or 0: none is kept.",
               {0, pool_connections_max}),
    pool_field("pool_min", "How many of them are made ahead; null: 0.", {0, pool_connections_max}),
    pool_field("pool_idle_ms", "After this one that nobody came for is closed; null: a minute.",
               {1'000, day_ms}),
    user_of_level("read_user"),
    password_of_level("read_password"),
    set_at_of_level("read_password_set_at"),
    sealed_of_level("sealed_read_password"),
    user_of_level("write_user"),
    password_of_level("write_password"),
    set_at_of_level("write_password_set_at"),
    sealed_of_level("sealed_write_password"),
    user_of_level("ddl_user"),
    password_of_level("ddl_password"),
    set_at_of_level("ddl_password_set_at"),
    sealed_of_level("sealed_ddl_password"),
    user_of_level("admin_user"),
    password_of_level("admin_password"),
    set_at_of_level("admin_password_set_at"),
    sealed_of_level("sealed_admin_password"),
};

// Of the model's paths: "pool.idle", "credentials.read.user".
std::string field_of(const std::string& path) {
  if (path == "pool.idle") return "pool_idle_ms";
  if (path.starts_with("pool.")) return "pool_" + path.substr(5);
  constexpr std::string_view credentials = "credentials.";
  if (!path.starts_with(credentials)) return path;
  std::string out = path.substr(credentials.size());
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

// What only type postgres has, given of a target of type tcp.
Defects check_tcp(const Json& record) {
  Defects out = defects(tcp_target_of(record));
  const auto refuse = [&](const char* field, const char* told) {
    if (!record.at(field).is_null()) out.push_back({told, "has no meaning for type tcp; remove it"});
  };
  for (const char* field :
       {"database", "sslrootcert", "ca_certificate", "pool_max", "pool_min", "pool_idle_ms"})
    refuse(field, field);
  for (const TargetSecret& secret : target_secrets()) {
    refuse(secret.user, secret.user);
    refuse(secret.sealed, secret.given);
  }
  return out;
}

// As the target itself is checked, wherever it comes from.
Defects check_target(const Json& record) {
  if (record.at("type") == "tcp") return check_tcp(record);
  const PgTarget target = pg_target_of(record);
  Defects out = defects(target);
  for (Defect& defect : out) {
    defect.path = field_of(defect.path);
    if (defect.path == "sslmode" && target.tls_files.ca.empty() && target.sslmode >= SslMode::verify_ca)
      defect.message = "checks the server's certificate; add ca_certificate, or sslrootcert: system";
  }
  const bool has_text = !record.at("ca_certificate").is_null();
  if (has_text && !record.at("sslrootcert").is_null())
    out.push_back({"ca_certificate", "stands beside sslrootcert; give one of them"});
  if (has_text && target.sslmode == SslMode::disable)
    out.push_back({"ca_certificate", "has no meaning while sslmode is disable; change sslmode or remove it"});
  return out;
}

}  // namespace

std::string check_certificates(std::string_view text) {
  const auto is_wrong = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
  };
  if (std::any_of(text.begin(), text.end(), is_wrong)) return "holds control characters; use PEM text";
  if (text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos) return "";
  return "has no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----";
}

const Noun target_noun = {.name = "target",
                          .plural = "targets",
                          .description = "Servers that users reach through the appliance.",
                          .fields = target_fields,
                          .check = check_target};

}  // namespace ringfence::model
