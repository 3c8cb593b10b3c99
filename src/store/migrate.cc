#include "ringfence/store/migrate.h"

#include "store/migrations.h"

namespace ringfence::store {
namespace {
// One migration at a time, whoever starts together. The number is arbitrary and ours.
constexpr const char* advisory_lock = "7244891530016273";

// In each migration's transaction: what it has made in the control plane's schema belongs to whom the schema
// belongs to.
constexpr const char* owners_sql = R"(
DO $$
DECLARE
  relation record;
BEGIN
  FOR relation IN SELECT c.relname, c.relkind, o.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  JOIN pg_roles o ON o.oid = n.nspowner
                  WHERE n.nspname = 'ringfence_control' AND c.relkind IN ('r', 'S') AND c.relowner <> n.nspowner LOOP
    EXECUTE format('ALTER %s ringfence_control.%I OWNER TO %I',
                   CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relation.relname,
                   relation.rolname);
  END LOOP;
END
$$;
)";

Result<int> schema_found(Connection& connection) {
  auto exists = connection.exec("SELECT to_regclass('ringfence.schema_migration') IS NOT NULL");
  if (!exists) return unexpected(std::move(exists.error()));
  if (exists->get(0, 0) != "t") return 0;
  auto number = connection.exec("SELECT coalesce(max(number), 0) FROM ringfence.schema_migration");
  if (!number) return unexpected(std::move(number.error()));
  return static_cast<int>(number->integer(0, 0));
}

Result<void> apply(Connection& connection, const Migration& migration) {
  std::string sql = "BEGIN;\n";
  sql += migration.sql;
  sql += owners_sql;
  sql += "INSERT INTO ringfence.schema_migration (number, name) VALUES (" + std::to_string(migration.number) +
         ", " + quote_literal(migration.name) + ");\nCOMMIT;";
  auto done = connection.exec(sql);
  if (!done) {
    Error error = std::move(done.error());
    (void)connection.exec("ROLLBACK");
    return unexpected(std::move(error).in(std::string("migration ") + migration.name));
  }
  return {};
}

Result<MigrationReport> migrate_locked(Connection& connection) {
  auto found = schema_found(connection);
  if (!found) return unexpected(std::move(found.error()));
  MigrationReport report{*found, *found};
  if (*found > schema_known()) {
    return fail(Fault::conflict, "the store's schema is number " + std::to_string(*found) +
                                     ", this version knows " + std::to_string(schema_known()) +
                                     ": use the newer version of ringfence");
  }
  for (int i = 0; i < migrations_count; ++i) {
    if (migrations[i].number <= *found) continue;
    if (auto done = apply(connection, migrations[i]); !done) return unexpected(std::move(done.error()));
    report.to = migrations[i].number;
  }
  return report;
}

}  // namespace

int schema_known() { return migrations_count == 0 ? 0 : migrations[migrations_count - 1].number; }

Result<MigrationReport> migrate(Connection& connection) {
  auto locked = connection.exec(std::string("SELECT pg_advisory_lock(") + advisory_lock + ")");
  if (!locked) return unexpected(std::move(locked.error()));
  auto report = migrate_locked(connection);
  auto unlocked = connection.exec(std::string("SELECT pg_advisory_unlock(") + advisory_lock + ")");
  if (report && !unlocked) return unexpected(std::move(unlocked.error()));
  return report;
}

}  // namespace ringfence::store
