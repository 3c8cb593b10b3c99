#include "alias_table.h"

#include "alias_values.h"

namespace ringfence::admin {

namespace {

using AliasKind = FieldAlias::Kind;

constexpr const char* text_or_null = R"({"type": ["string", "null"]})";
constexpr const char* time_or_null = R"({"type": ["string", "null"], "format": "date-time"})";
constexpr const char* integer_or_null = R"({"type": ["integer", "null"]})";

// ---------------------------------------------------------------- DBBat

constexpr FieldAlias dbbat_user_fields[] = {
    {.alias = "id", .field = "number"},
    {.alias = "uid", .field = "id"},
    {.alias = "username", .field = "name"},
    {.alias = "password_change_required", .field = "must_change_password"},
};
constexpr Shape dbbat_users = {"Dbbat", "users", dbbat_user_fields};

constexpr FieldAlias dbbat_database_fields[] = {
    {.alias = "id", .field = "number"},
    {.alias = "uid", .field = "id"},
    {.alias = "protocol",
     .field = "type",
     .kind = AliasKind::turned,
     .shown = protocol_shown,
     .given = protocol_given,
     .schema = R"({"type": "string", "description": "postgresql, or tcp."})"},
    {.alias = "host",
     .field = "hosts",
     .kind = AliasKind::turned,
     .shown = first_host,
     .given = only_host,
     .schema = R"({"type": "string", "description": "The first host of the target."})"},
    {.alias = "database_name", .field = "database"},
    {.alias = "username", .field = "user"},
    {.alias = "ssl_mode", .field = "sslmode"},
};
constexpr Shape dbbat_databases = {"Dbbat", "databases", dbbat_database_fields};

constexpr FieldAlias dbbat_grant_fields[] = {
    {.alias = "id", .field = "number"},
    {.alias = "uid", .field = "id"},
    {.alias = "user_id", .field = "user", .kind = AliasKind::reference, .of = "user"},
    {.alias = "database_id", .field = "target", .kind = AliasKind::reference, .of = "target"},
    {.alias = "access_level", .field = "level"},
    {.alias = "max_query_counts", .field = "max_queries"},
    {.alias = "max_bytes_transferred", .field = "max_bytes"},
};
constexpr Shape dbbat_grants = {"Dbbat", "grants", dbbat_grant_fields};

constexpr FieldAlias dbbat_query_fields[] = {
    {.alias = "uid", .field = "id"},
    {.alias = "connection_id", .field = "session_id"},
    {.alias = "user_id", .field = "user", .kind = AliasKind::reference, .of = "user"},
    {.alias = "database_id", .field = "target", .kind = AliasKind::reference, .of = "target"},
    {.alias = "sql_text", .field = "statement"},
    {.alias = "parameters",
     .field = "parameters",
     .kind = AliasKind::turned,
     .shown = parameters_shown,
     .schema = R"({"type": ["object", "null"], "properties": {"values": {"type": "array",
       "items": {"type": ["string", "object", "null"]}}}})"},
    {.alias = "executed_at", .field = "started_at"},
    {.alias = "duration_ms",
     .field = "duration_us",
     .kind = AliasKind::turned,
     .shown = milliseconds,
     .schema = R"({"type": ["number", "null"]})"},
    {.alias = "rows_affected", .field = "rows"},
    {.alias = "error", .field = "error_message"},
};
constexpr Shape dbbat_queries = {"Dbbat", "queries", dbbat_query_fields};

constexpr FieldAlias dbbat_connection_fields[] = {
    {.alias = "uid", .field = "id"},
    {.alias = "user_id", .field = "user", .kind = AliasKind::reference, .of = "user"},
    {.alias = "database_id", .field = "target", .kind = AliasKind::reference, .of = "target"},
    {.alias = "source_ip",
     .field = "client_addr",
     .kind = AliasKind::turned,
     .shown = address_alone,
     .schema = text_or_null},
    {.alias = "queries", .field = "statements"},
    {.alias = "bytes_transferred",
     .field = "",
     .kind = AliasKind::added,
     .made = bytes_both_ways,
     .schema = integer_or_null},
    {.alias = "last_activity_at",
     .field = "",
     .kind = AliasKind::added,
     .made = never_shown,
     .schema = time_or_null},
};
constexpr Shape dbbat_connections = {"Dbbat", "connections", dbbat_connection_fields};

constexpr FieldAlias dbbat_event_fields[] = {
    {.alias = "uid", .field = "id"},
    {.alias = "event_type",
     .field = "",
     .kind = AliasKind::added,
     .made = event_type,
     .asked = ask_event_type,
     .schema = R"({"type": ["string", "null"], "description": "user.created, or the action."})"},
    {.alias = "performed_by", .field = "user", .kind = AliasKind::reference, .of = "user"},
    {.alias = "details",
     .field = "",
     .kind = AliasKind::added,
     .made = event_details,
     .schema = R"({"type": "object"})"},
};
constexpr Shape dbbat_events = {"Dbbat", "audit_events", dbbat_event_fields};

// ---------------------------------------------------------------- port-authorizing

constexpr FieldAlias proxy_connection_fields[] = {
    {.alias = "host",
     .field = "hosts",
     .kind = AliasKind::turned,
     .shown = first_host,
     .given = only_host,
     .schema = R"({"type": "string", "description": "The first host of the target."})"},
    {.alias = "backend_username", .field = "user"},
    {.alias = "backend_password",
     .field = "password",
     .kind = AliasKind::turned,
     .shown = never_shown,
     .given = password_given,
     .schema =
         R"({"type": ["string", "null"], "description": "An empty one leaves the one that there is."})"},
    {.alias = "backend_database", .field = "database"},
    {.alias = "metadata",
     .field = "description",
     .kind = AliasKind::turned,
     .shown = metadata_shown,
     .given = metadata_given,
     .schema =
         R"({"type": ["object", "null"], "properties": {"description": {"type": ["string", "null"]}}})"},
};
constexpr Shape proxy_connections = {"Proxy", "", proxy_connection_fields};

constexpr FieldAlias proxy_user_fields[] = {{.alias = "username", .field = "name"}};
constexpr Shape proxy_users = {"Proxy", "", proxy_user_fields};

constexpr Shape proxy_policies = {"Proxy", "", {}};

// ---------------------------------------------------------------- rusty-db

constexpr FieldAlias rusty_role_fields[] = {
    {.alias = "parent_roles", .field = "parents"},
    {.alias = "is_active",
     .field = "",
     .kind = AliasKind::added,
     .made = always_true,
     .schema = R"({"type": "boolean"})"},
};
constexpr Shape rusty_roles = {"Rusty", "", rusty_role_fields};

// ---------------------------------------------------------------- the table

// Records of a noun: five routes, and PUT beside PATCH.
struct Collection {
  Family family;
  const char* pattern;
  const char* to_pattern;
  const Shape* shape;
  std::string_view noun;
};
constexpr Collection collections[] = {
    {Family::dbbat, "/api/users", "/api/v1/users", &dbbat_users, "user"},
    {Family::dbbat, "/api/databases", "/api/v1/targets", &dbbat_databases, "target"},
    {Family::dbbat, "/api/grants", "/api/v1/grants", &dbbat_grants, "grant"},
    {Family::port_authorizing, "/admin/api/connections", "/api/v1/targets", &proxy_connections, "target"},
    {Family::port_authorizing, "/admin/api/users", "/api/v1/users", &proxy_users, "user"},
    {Family::port_authorizing, "/admin/api/policies", "/api/v1/policies", &proxy_policies, "policy"},
    {Family::rusty_db, "/api/v1/security/roles", "/api/v1/roles", &rusty_roles, "role"},
};
struct AliasVerb {
  const char* method;
  const char* to_method;
  const char* behind;
};
constexpr AliasVerb alias_verbs[] = {{"GET", "GET", ""},        {"POST", "POST", ""},
                                     {"GET", "GET", "/{id}"},   {"PATCH", "PATCH", "/{id}"},
                                     {"PUT", "PATCH", "/{id}"}, {"DELETE", "DELETE", "/{id}"}};

Alias alias(Family family, const char* method, const char* pattern, const char* to_method,
            const char* to_pattern, const Shape* shape = nullptr) {
  Alias out;
  out.family = family;
  out.method = method;
  out.pattern = pattern;
  out.to_method = to_method;
  out.to_pattern = to_pattern;
  out.shape = shape;
  return out;
}

std::vector<Alias> make_aliases() {
  std::vector<Alias> out;
  for (const Collection& of : collections) {
    for (const AliasVerb& verb : alias_verbs) {
      const std::string behind = verb.behind;
      Alias one = alias(of.family, verb.method, (of.pattern + behind).c_str(), verb.to_method,
                        (of.to_pattern + behind).c_str(), of.shape);
      one.noun = of.noun;
      out.push_back(std::move(one));
    }
  }
  const auto get = [&](Family family, const char* pattern, const char* to, const Shape* shape = nullptr) {
    out.push_back(alias(family, "GET", pattern, "GET", to, shape));
  };
  get(Family::dbbat, "/api/queries", "/api/v1/queries", &dbbat_queries);
  get(Family::dbbat, "/api/queries/{id}", "/api/v1/queries/{id}", &dbbat_queries);
  get(Family::dbbat, "/api/connections", "/api/v1/connections", &dbbat_connections);
  get(Family::dbbat, "/api/connections/{id}", "/api/v1/connections/{id}", &dbbat_connections);
  get(Family::dbbat, "/api/audit", "/api/v1/audit", &dbbat_events);
  get(Family::port_authorizing, "/admin/api/status", "/api/v1/stats");
  get(Family::port_authorizing, "/admin/api/config", "/api/v1/config");
  get(Family::port_authorizing, "/admin/api/config/versions", "/api/v1/config/versions");
  get(Family::port_authorizing, "/admin/api/config/versions/{id}", "/api/v1/config/versions/{id}");
  out.push_back(alias(Family::port_authorizing, "POST", "/admin/api/config/rollback/{id}", "POST",
                      "/api/v1/config/versions/{id}/rollback"));
  Alias tester =
      alias(Family::port_authorizing, "POST", "/admin/api/policy-test", "POST", "/api/v1/policy/explain");
  tester.given = policy_question;
  tester.shown = policy_answer;
  tester.given_schema = "ProxyPolicyQuestion";
  tester.shown_schema = "ProxyPolicyAnswer";
  out.push_back(std::move(tester));
  get(Family::rusty_db, "/api/v1/security/permissions", "/api/v1/permissions");
  Alias permissions = alias(Family::rusty_db, "POST", "/api/v1/security/roles/{id}/permissions", "PATCH",
                            "/api/v1/roles/{id}", &rusty_roles);
  permissions.noun = "role";
  out.push_back(std::move(permissions));
  return out;
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

std::string_view name(Family family) {
  switch (family) {
    case Family::dbbat: return "dbbat";
    case Family::port_authorizing: return "port-authorizing";
    case Family::rusty_db: break;
  }
  return "rusty-db";
}

const std::vector<Alias>& aliases() {
  static const std::vector<Alias> all = make_aliases();
  return all;
}

const Family* family_of(std::string_view path) {
  struct Folder {
    const char* path;
    Family family;
  };
  static constexpr Folder folders[] = {{"/api/users", Family::dbbat},
                                       {"/api/databases", Family::dbbat},
                                       {"/api/grants", Family::dbbat},
                                       {"/api/queries", Family::dbbat},
                                       {"/api/connections", Family::dbbat},
                                       {"/api/audit", Family::dbbat},
                                       {"/admin/api", Family::port_authorizing},
                                       {"/api/v1/security", Family::rusty_db}};
  for (const Folder& folder : folders)
    if (is_below(path, folder.path)) return &folder.family;
  return nullptr;
}

}  // namespace ringfence::admin
