#include "credential_check.h"

#include <algorithm>

#include "app/config/tls_files.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/pg/login_trial.h"
#include "ringfence/store/connection.h"

namespace ringfence::app {

using policy::Level;

namespace {

constexpr int connect_seconds = 10;
constexpr size_t names_told_max = 3;

// As a value of a connection string.
std::string dsn_quoted(std::string_view value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

std::string dsn_of(const model::PgTarget& target, const CredentialUse& use) {
  std::string hosts;
  for (const std::string& host : target.hosts) hosts += (hosts.empty() ? "" : ",") + host;
  std::string out = "host=" + dsn_quoted(hosts) + " port=" + std::to_string(target.port) +
                    " dbname=" + dsn_quoted(target.database) + " user=" + dsn_quoted(use.user) +
                    " sslmode=" + std::string(model::name_of(target.sslmode, model::ssl_mode_names)) +
                    " channel_binding=" +
                    std::string(model::name_of(target.channel_binding, model::channel_binding_names)) +
                    " passfile=/dev/null";
  const auto add = [&](const char* key, std::string_view value) {
    if (!value.empty()) out += std::string(" ") + key + "=" + dsn_quoted(value);
  };
  add("password", use.password.reveal());
  add("sslrootcert", target.tls_files.ca);
  add("sslcrl", target.tls_files.crl);
  add("sslcert", target.tls_files.certificate);
  add("sslkey", target.tls_files.key);
  return out;
}

constexpr const char* own_relations =
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> "
    "'information_schema' AND ";

std::string relations_where(const char* condition) {
  return std::string("SELECT c.oid::pg_catalog.regclass::text") + own_relations + condition + " ORDER BY 1";
}

std::string without_prefix(std::string message) {
  constexpr std::string_view prefix = "store: ";
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  return message;
}

class Examiner {
 public:
  Examiner(store::Connection& server, std::string who, CredentialReport& report)
      : server_(server), who_(std::move(who)), report_(report) {}

  bool is_superuser() {
    auto rows = server_.exec("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user");
    return rows && rows->size() == 1 && rows->get(0, 0) == "t";
  }
  void warn(const std::string& what) { report_.warnings.push_back(who_ + " " + what); }

  // `verb` with the names that the query gives, when there are any.
  void look(const std::string& sql, const std::string& verb, const std::string& one,
            const std::string& many) {
    auto rows = server_.exec(sql);
    if (!rows) {
      warn("could not be asked what it " + verb + ": " + without_prefix(rows.error().message));
      return;
    }
    if (rows->size() == 0) return;
    std::string names;
    for (int i = 0; i < rows->size() && i < static_cast<int>(names_told_max); ++i)
      names += (i == 0 ? "" : ", ") + rows->text(i, 0);
    if (rows->size() > static_cast<int>(names_told_max)) names += ", …";
    warn(verb + " " + std::to_string(rows->size()) + " " + (rows->size() == 1 ? one : many) + " (" + names +
         ")");
  }

 private:
  store::Connection& server_;
  std::string who_;
  CredentialReport& report_;
};

// Roles that the user may become by SET ROLE, whether or not it has their rights without: they are its own in
// all but a statement. What makes one more than a reader's is looked for in this database.
constexpr const char* roles_that_write =
    "SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname <> current_user AND "
    "pg_catalog.pg_has_role(r.oid, 'MEMBER') AND "
    "(r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolname IN "
    "('pg_write_all_data', "
    "'pg_write_server_files', 'pg_execute_server_program', 'pg_read_server_files', 'pg_signal_backend', "
    "'pg_maintain', "
    "'pg_create_subscription') OR pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), "
    "'CREATE') "
    "OR EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND "
    "pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE') "
    "AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')) "
    "OR EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN "
    "('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND "
    "(c.relowner = r.oid OR "
    "CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, c.oid, 'USAGE, UPDATE') ELSE "
    "pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR "
    "pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') END))) ORDER BY 1";
// GRANT SET, GRANT ALTER SYSTEM ON PARAMETER (PostgreSQL 15), to the user or to a role that it may become.
constexpr const char* granted_parameters =
    "SELECT p.parname FROM pg_catalog.pg_parameter_acl p WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r "
    "WHERE NOT r.rolsuper AND "
    "pg_catalog.pg_has_role(r.oid, 'MEMBER') AND pg_catalog.has_parameter_privilege(r.oid, p.parname, 'SET, "
    "ALTER SYSTEM')) ORDER BY 1";

// A SELECT from such a view calls them, whatever level the session has: PostgreSQL itself keeps them from
// tables, but before version 16 not from large objects. Those of extensions are what these are for; the
// functions left out change nothing.
constexpr const char* views_that_call =
    "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "
    "n.oid = c.relnamespace "
    "WHERE c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
    "WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e') "
    "AND EXISTS (SELECT FROM pg_catalog.pg_rewrite r, pg_catalog.regexp_matches(r.ev_action::text, "
    "':(?:op)?funcid (\\d+)', 'g') m "
    "JOIN pg_catalog.pg_proc p ON p.oid = m[1]::oid WHERE r.ev_class = c.oid AND r.ev_type = '1' AND "
    "p.provolatile = 'v' AND NOT "
    "(p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND (p.proname ~ "
    "'^(random|gen_random_uuid|uuidv|clock_timestamp|timeofday|"
    "currval|lastval|current_query|pg_(stat_get|is_|last_|current_wal|.*_size$|lock_status|blocking_pids|"
    "sequence_last_value))'))) "
    "ORDER BY 1";

void examine_reader(Examiner& examiner, bool has_parameter_grants) {
  examiner.look(views_that_call, "may read",
                "view that calls volatile functions, which every reader's SELECT runs",
                "views that call volatile functions, which every reader's SELECT runs");
  examiner.look(relations_where("pg_catalog.pg_has_role(c.relowner, 'USAGE')"), "owns", "relation",
                "relations");
  examiner.look(relations_where("c.relkind <> 'S' AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, "
                                "UPDATE, DELETE, TRUNCATE') OR "
                                "pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE'))"),
                "may write to", "relation", "relations");
  examiner.look(relations_where("CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, "
                                "'USAGE, UPDATE') ELSE false END"),
                "may advance", "sequence", "sequences");
  examiner.look(
      "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND "
      "pg_catalog.has_schema_privilege(oid, 'CREATE') ORDER BY 1",
      "may create in", "schema", "schemas");
  examiner.look(
      "SELECT pg_catalog.quote_ident(pg_catalog.current_database()) WHERE "
      "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')",
      "may create schemas in", "database", "databases");
  examiner.look(
      "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('pg_write_all_data', "
      "'pg_write_server_files', "
      "'pg_execute_server_program', 'pg_read_server_files', 'pg_signal_backend', 'pg_checkpoint', "
      "'pg_maintain', "
      "'pg_create_subscription', 'pg_use_reserved_connections') AND pg_catalog.pg_has_role(oid, 'MEMBER') "
      "ORDER BY 1",
      "is a member of", "powerful role", "powerful roles");
  examiner.look(roles_that_write, "may become, by SET ROLE,", "role that may more than read",
                "roles that may more than read");
  if (has_parameter_grants) {
    examiner.look(granted_parameters, "may set", "setting of superusers", "settings of superusers");
  }
  examiner.look(
      "SELECT a.name FROM pg_catalog.pg_roles r, LATERAL (VALUES ('CREATEROLE', r.rolcreaterole), "
      "('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)) a (name, has) "
      "WHERE r.rolname = current_user AND a.has",
      "has", "attribute of an administrator", "attributes of an administrator");
}

}  // namespace

std::vector<CredentialUse> credential_uses(const Config& config, const model::PgTarget& target) {
  std::vector<CredentialUse> out;
  const auto use_of = [&](const std::string& user, const Secret& password) -> CredentialUse& {
    for (CredentialUse& use : out) {
      if (use.user == user && use.password.reveal() == password.reveal()) return use;
    }
    return out.emplace_back(CredentialUse{user, password, {}});
  };
  use_of(target.user, target.password);
  for (const auto& [level, credential] : target.credentials) use_of(credential.user, credential.password);
  for (Level level : {Level::read, Level::write, Level::ddl, Level::admin}) {
    const auto gives = [&](const policy::Policy& policy) {
      if (policy.level != level || policy.roles.empty()) return false;
      const policy::Access access = config.policies->access({policy.roles[0].text}, target.tags);
      return std::find(access.policies.begin(), access.policies.end(), &policy) != access.policies.end();
    };
    if (!config.policies ||
        std::none_of(config.policies->policies().begin(), config.policies->policies().end(), gives))
      continue;
    const auto own = target.credentials.find(level);
    CredentialUse& use = own == target.credentials.end() ? use_of(target.user, target.password)
                                                         : use_of(own->second.user, own->second.password);
    use.levels.push_back(level);
  }
  // The target's own credential, when each level has another.
  std::erase_if(out, [&](const CredentialUse& use) { return use.levels.empty() && out.size() > 1; });
  return out;
}

std::string level_names(const std::vector<Level>& levels) {
  std::string out;
  for (size_t i = 0; i < levels.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == levels.size() ? " and " : ", ") + std::string(sql::level_name(levels[i]));
  }
  return out;
}

namespace {

// As sessions do it: libpq asks less of a server, and waits longer for it.
Result<void> try_as_sessions(const model::PgTarget& target, const CredentialUse& use, uint64_t connect_ms) {
  proxy::Target made{target};
  if (target.sslmode != model::SslMode::disable) {
    auto tls = load_client_tls(target.tls_files, target.sslmode, net::KernelTlsUse{});
    if (!tls) return unexpected(std::move(tls.error()).in("TLS"));
    made.tls = std::move(*tls);
  }
  const bool is_read = !use.levels.empty() && use.levels.front() == Level::read;
  return proxy::try_login(made, {use.user, use.password}, is_read, connect_ms);
}

}  // namespace

CredentialReport test_credential(const model::PgTarget& target, const CredentialUse& use,
                                 uint64_t connect_ms) {
  CredentialReport report;
  if (auto tried = try_as_sessions(target, use, connect_ms); !tried) {
    report.error = tried.error().message;
    return report;
  }
  auto server = store::Connection::open(dsn_of(target, use), "ringfence check", connect_seconds);
  if (!server) {
    report.warnings.push_back("the server's user " + use.user +
                              " gets in as sessions do, and could not be asked what it may: " +
                              without_prefix(server.error().message));
    return report;
  }
  if (use.levels.empty() || use.levels.front() == Level::admin) return report;
  (void)(*server)->exec("SET statement_timeout = '10s'");
  (void)(*server)->exec("SET search_path = pg_catalog");
  Examiner examiner(
      **server, "the server's user " + use.user + ", of sessions of level " + level_names(use.levels) + ",",
      report);
  if (examiner.is_superuser()) {
    const bool is_refused = use.levels.front() == Level::read && !target.allow_superuser_read;
    examiner.warn(std::string("is a superuser") + (is_refused ? "; sessions of level read are refused" : ""));
  } else if (use.levels.front() == Level::read) {
    examine_reader(examiner, (*server)->server_version() >= 150000);
  }
  return report;
}

}  // namespace ringfence::app
