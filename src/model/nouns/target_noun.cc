// Servers that users reach through the appliance.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/target_record.h"
#include "ringfence/model/target_rules.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

constexpr std::string_view types[] = {"postgres", "tcp"};
constexpr std::string_view ssl_modes[] = {"disable", "allow",     "prefer",
                                          "require", "verify-ca", "verify-full"};
constexpr std::string_view root_certificates[] = {"system"};

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
};

// As the target itself is checked, wherever it comes from.
Defects check_target(const Json& record) {
  if (record.at("type") == "tcp") {
    Defects out = defects(tcp_target_of(record));
    for (const char* field : {"database", "user", "sealed_password", "sslrootcert"}) {
      const bool is_password = std::string_view(field) == "sealed_password";
      if (!record.at(field).is_null())
        out.push_back({is_password ? "password" : field, "has no meaning for type tcp; remove it"});
    }
    return out;
  }
  return defects(pg_target_of(record));
}

}  // namespace

const Noun target_noun = {.name = "target",
                          .plural = "targets",
                          .description = "Servers that users reach through the appliance.",
                          .fields = target_fields,
                          .check = check_target};

}  // namespace ringfence::model
