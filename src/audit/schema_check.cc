#include "audit/schema_check.h"

#include <algorithm>
#include <set>

#include "audit/partitions.h"
#include "ringfence/audit/chain.h"
#include "ringfence/base/clock.h"
#include "ringfence/store/migrate.h"
#include "ringfence/store/schema.h"

namespace ringfence::audit {
namespace {

class SchemaCheck {
 public:
  explicit SchemaCheck(store::Connection& store) : store_(store) {}
  Result<std::vector<Finding>> run();

 private:
  void found(std::string text) { findings_.push_back({FindingKind::stray, 0, std::move(text)}); }
  // `each` gets the rows of what nobody of ours made.
  template <typename F>
  Result<void> look(const std::string& sql, F each) {
    auto rows = store_.exec(sql);
    if (!rows) return unexpected(std::move(rows.error()));
    for (int i = 0; i < rows->size(); ++i) each(*rows, i);
    return {};
  }
  Result<void> relations();
  void on_relation(const std::string& name, const std::string& kind, const std::string& parent,
                   const std::string& bound, bool is_partition, bool is_ours);
  Result<void> columns();
  Result<void> days();
  Result<void> rules();
  Result<void> casts();
  Result<void> lists();

  store::Connection& store_;
  std::vector<Finding> findings_;
  std::set<std::string> days_;  // Partitions by day.
};

// "FOR VALUES FROM ('2026-11-30 00:00:00+00') TO ('2026-12-01 00:00:00+00')", in UTC.
std::string bound_of(uint64_t day) {
  auto text = [](uint64_t us) { return "('" + rfc3339(us).substr(0, 10) + " 00:00:00+00')"; };
  return "FOR VALUES FROM " + text(day) + " TO " + text(day + day_us);
}

Result<std::vector<Finding>> SchemaCheck::run() {
  for (auto step : {&SchemaCheck::relations, &SchemaCheck::days, &SchemaCheck::columns, &SchemaCheck::rules,
                    &SchemaCheck::casts, &SchemaCheck::lists}) {
    if (auto done = (this->*step)(); !done) return unexpected(std::move(done.error()));
  }
  return std::move(findings_);
}

void SchemaCheck::on_relation(const std::string& name, const std::string& kind, const std::string& parent,
                              const std::string& bound, bool is_partition, bool is_ours) {
  const auto& tables = store::schema_tables();
  if (is_ours && store::schema_views().contains(name)) {
    if (kind != "v") found(name + " is no view");
    return;
  }
  if (!parent.empty() && !is_partition) {
    found(name + " inherits from " + parent + ": its rows are shown with it");
    return;
  }
  if (is_ours && tables.contains(name)) {
    const std::string* whole = nullptr;  // What a partition by class is of.
    static const std::map<std::string, std::string> classes = {{"audit_event_c1", "audit_row"},
                                                               {"audit_block_c1", "audit_block"}};
    if (auto one = classes.find(name); one != classes.end()) whole = &one->second;
    const bool is_partitioned = whole != nullptr || name == "audit_row" || name == "audit_block";
    if (kind != (is_partitioned ? "p" : "r")) found(name + " is no table of ours");
    if (whole != nullptr && (parent != *whole || bound != "FOR VALUES IN ('1')"))
      found(name + " is not the partition that it was made as: " + bound);
    return;
  }
  auto day = day_of_partition(name);
  if (is_ours && day && kind == "r" && bound == bound_of(*day) &&
      parent == (is_block_partition(name) ? "audit_block_c1" : "audit_event_c1")) {
    days_.insert(name);
    return;
  }
  found((is_partition ? "a partition of " + parent + " that is none of a day: "
                      : "a relation that no migration made: ") +
        name + (bound.empty() ? "" : " " + bound));
}

// In our schema, and wherever what hangs on our tables is.
Result<void> SchemaCheck::relations() {
  std::set<std::string> seen;
  auto done = look(
      "SELECT CASE WHEN n.nspname = 'ringfence' THEN c.relname ELSE n.nspname || '.' || c.relname END, "
      "c.relkind, "
      "coalesce(CASE WHEN pn.nspname = 'ringfence' THEN p.relname ELSE pn.nspname || '.' || p.relname END, "
      "''), "
      "coalesce(pg_get_expr(c.relpartbound, c.oid), ''), c.relispartition, n.nspname = 'ringfence', "
      "c.relrowsecurity OR c.relforcerowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace "
      "LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent "
      "LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace "
      "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname = 'ringfence' OR pn.nspname = "
      "'ringfence') ORDER BY 1",
      [&](const store::Rows& rows, int i) {
        const std::string name = rows.text(i, 0);
        seen.insert(name);
        on_relation(name, rows.text(i, 1), rows.text(i, 2), rows.text(i, 3), rows.get(i, 4) == "t",
                    rows.get(i, 5) == "t");
        if (rows.get(i, 6) == "t")
          found("row security is on for " + name + ": readers may see less than is there");
      });
  if (!done) return done;
  for (const auto& [name, columns] : store::schema_tables()) {
    if (!seen.contains(name)) found("the table " + name + " is not there");
  }
  for (const auto& [name, query] : store::schema_views()) {
    if (!seen.contains(name)) found("the view " + name + " is not there");
  }
  return {};
}

// PostgreSQL leaves out partitions by their bounds, which a constraint can only seem to hold.
Result<void> SchemaCheck::days() {
  for (const char* table : {"audit_row", "audit_block"}) {
    auto done = look(
        "SELECT c.relname, (extract(epoch FROM t.first) * 1000000)::bigint, (extract(epoch FROM t.last) * "
        "1000000)::bigint FROM (SELECT tableoid AS id, min(recorded_at) AS first, max(recorded_at) AS last "
        "FROM "
        "ringfence." +
            std::string(table) +
            " WHERE isfinite(recorded_at) GROUP BY tableoid) t JOIN pg_class c ON c.oid = t.id ORDER BY 1",
        [&](const store::Rows& rows, int i) {
          const auto day = day_of_partition(rows.text(i, 0));
          if (!day) return;  // It is told of already.
          const auto first = static_cast<uint64_t>(std::max<int64_t>(rows.integer(i, 1), 0));
          const auto last = static_cast<uint64_t>(std::max<int64_t>(rows.integer(i, 2), 0));
          if (first < *day || last >= *day + day_us)
            found("rows in " + rows.text(i, 0) + " that were not recorded on its day");
        });
    if (!done) return done;
  }
  return {};
}

// Of PostgreSQL's own types: what a view's text says would be done otherwise.
Result<void> SchemaCheck::casts() {
  return look(
      "SELECT format_type(castsource, NULL), format_type(casttarget, NULL) FROM pg_cast WHERE oid >= 16384 "
      "AND "
      "castsource < 16384 AND casttarget < 16384 ORDER BY 1, 2",
      [&](const store::Rows& rows, int i) {
        found("the cast from " + rows.text(i, 0) + " to " + rows.text(i, 1) + " is not PostgreSQL's own");
      });
}

Result<void> SchemaCheck::columns() {
  std::map<std::string, std::set<std::string>> there;
  auto done = look(
      "SELECT c.relname, a.attname, a.attgenerated <> '', a.atttypid >= 16384 FROM pg_class c JOIN "
      "pg_namespace n ON n.oid = "
      "c.relnamespace "
      "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
      "WHERE n.nspname = 'ringfence' AND c.relkind IN ('r', 'p') ORDER BY 1, a.attnum",
      [&](const store::Rows& rows, int i) {
        there[rows.text(i, 0)].insert(rows.text(i, 1));
        if (rows.get(i, 2) == "t")
          found("the column " + rows.text(i, 1) + " of " + rows.text(i, 0) + " is made up by the store");
        if (rows.get(i, 3) == "t")
          found("the column " + rows.text(i, 1) + " of " + rows.text(i, 0) +
                " is of a type that is not PostgreSQL's own");
      });
  if (!done) return done;
  const auto& tables = store::schema_tables();
  for (const auto& [table, names] : there) {
    auto known = tables.find(table);
    if (known == tables.end() && !days_.contains(table)) continue;
    const bool is_of_blocks = table == "audit_block_c1" || is_block_partition(table);
    const auto& expected = known == tables.end() || known->second.empty()
                               ? tables.at(is_of_blocks ? "audit_block" : "audit_row")
                               : known->second;
    for (const std::string& name : names) {
      if (std::find(expected.begin(), expected.end(), name) == expected.end()) {
        found("the column " + name + " of " + table + ": no chain has what is in it");
      }
    }
    for (const std::string& name : expected) {
      if (!names.contains(name)) found("the column " + name + " of " + table + " is not there");
    }
  }
  return {};
}

// What comes between a table and who reads it or writes into it.
Result<void> SchemaCheck::rules() {
  const std::string of_ours = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ringfence'";
  auto tell = [&](const char* what) {
    return [this, what](const store::Rows& rows, int i) {
      found(std::string(what) + " " + rows.text(i, 0) + " on " + rows.text(i, 1));
    };
  };
  auto done = look("SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid " +
                       of_ours + " AND NOT t.tgisinternal ORDER BY 1, 2",
                   tell("the trigger"));
  if (done) {
    done = look("SELECT r.rulename, c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class " +
                    of_ours + " AND NOT (r.rulename = '_RETURN' AND c.relkind IN ('v', 'm')) ORDER BY 1, 2",
                tell("the rule"));
  }
  if (done) {
    done = look("SELECT p.polname, c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid " +
                    of_ours + " ORDER BY 1, 2",
                tell("the policy"));
  }
  if (done) {
    // What decides which rows are stored, and which partitions are looked into.
    done = look(
        "SELECT k.conname, c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid " + of_ours +
            " AND k.contype NOT IN ('p', 'n') AND NOT (c.relname, k.conname) IN (('audit_link_run', "
            "'audit_link_run_links_check'), ('audit_retention_class', 'audit_retention_class_name_key')) "
            "ORDER BY 1, 2",
        tell("the constraint"));
  }
  if (done) {
    done = look(
        "SELECT x.relname, c.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c "
        "ON "
        "c.oid = i.indrelid " +
            of_ours +
            " AND NOT i.indisprimary AND (i.indisunique OR i.indisexclusion OR i.indexprs IS NOT NULL) AND "
            "x.relname <> 'audit_retention_class_name_key' ORDER BY 1, 2",
        tell("the index"));
  }
  if (done) {
    // Names without a schema would be others' for who reads.
    done = look(
        "SELECT s.setting, coalesce(r.rolname, 'everybody') FROM (SELECT setrole, unnest(setconfig) AS "
        "setting FROM "
        "pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = "
        "current_database()))) s "
        "LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setting ~* '^(search_path|row_security|role|"
        "session_preload_libraries|local_preload_libraries)=' AND (r.rolname IS NULL OR r.rolname LIKE "
        "'ringfence%') ORDER BY 1, 2",
        tell("the setting"));
  }
  return done;
}

// Tables without a chain of their own.
Result<void> SchemaCheck::lists() {
  auto done = look(
      "SELECT retention_class, name FROM ringfence.audit_retention_class WHERE retention_class <> 1 OR name "
      "<> 'standard'",
      [&](const store::Rows& rows, int i) {
        found("the retention class " + rows.text(i, 0) + " " + rows.text(i, 1));
      });
  if (done) {
    done = look("SELECT number, name FROM ringfence.schema_migration WHERE number NOT BETWEEN 1 AND " +
                    std::to_string(store::schema_known()),
                [&](const store::Rows& rows, int i) {
                  found("the migration " + rows.text(i, 0) + " " + rows.text(i, 1));
                });
  }
  if (done) {
    done = look(
        "SELECT k.node, k.key_id, k.key_id = left(encode(sha256(k.public_key), 'hex'), 16), "
        "EXISTS (SELECT FROM ringfence.audit_checkpoint c WHERE c.node = k.node AND c.shard = 65535) "
        "FROM ringfence.audit_node k ORDER BY 1, 2",
        [&](const store::Rows& rows, int i) {
          const std::string key = "the key " + rows.text(i, 1) + " of node '" + rows.text(i, 0) + "'";
          if (rows.get(i, 2) != "t") found(key + " has another name than its own");
          if (rows.get(i, 3) != "t") found(key + ", which never wrote");
        });
  }
  if (done) {
    done = look(
        "SELECT t.node, t.what FROM (SELECT node, 'checkpoints' AS what FROM ringfence.audit_checkpoint "
        "UNION "
        "SELECT node, 'open starts' FROM ringfence.audit_open) t WHERE NOT EXISTS (SELECT FROM "
        "ringfence.audit_node k "
        "WHERE k.node = t.node) ORDER BY 1, 2",
        [&](const store::Rows& rows, int i) {
          found(rows.text(i, 1) + " of node '" + rows.text(i, 0) + "', which has no key");
        });
  }
  return done;
}

}  // namespace

Result<void> check_schema_number(store::Connection& store) {
  auto rows =
      store.exec("SELECT coalesce(max(number), 0) FROM ringfence.schema_migration WHERE number < 100000");
  if (!rows) return unexpected(std::move(rows.error()));
  const auto number = rows->integer(0, 0);
  if (number == store::schema_known()) return {};
  return fail(Fault::conflict,
              "the store's schema is number " + std::to_string(number) + ", this version knows " +
                  std::to_string(store::schema_known()) +
                  (number < store::schema_known() ? ": start the appliance once, it brings it up"
                                                  : ": use the newer version of ringfence"));
}

Result<std::vector<Finding>> check_schema(store::Connection& store) {
  // Partitions' bounds and names are compared as text.
  auto set = store.exec(
      "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL search_path = pg_catalog");
  if (!set) return unexpected(std::move(set.error()));
  return SchemaCheck(store).run();
}

// PostgreSQL writes a view's query in its own words: those of the same text, made now, are the same.
Result<std::vector<Finding>> check_views(store::Connection& store, std::string& note) {
  std::vector<Finding> findings;
  for (const auto& [name, query] : store::schema_views()) {
    auto there = store.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
    if (!there) return unexpected(std::move(there.error()));
    if (there->get(0, 0) != "t") continue;
    auto same = store.exec(
        "BEGIN READ WRITE; SET LOCAL search_path = pg_catalog, pg_temp; CREATE TEMP VIEW ringfence_as_made "
        "AS " +
        query +
        "; SELECT pg_get_viewdef('pg_temp.ringfence_as_made'::regclass) = pg_get_viewdef('ringfence." + name +
        "'::regclass)");
    (void)store.exec("ROLLBACK");
    if (!same) {
      if (!store.is_open()) return unexpected(std::move(same.error()));
      note = "the views were not compared with what they were made as: " + same.error().message;
      return findings;
    }
    if (same->get(0, 0) != "t") {
      findings.push_back(
          {FindingKind::stray, 0, "the view " + name + " is not the one that the migrations made"});
    }
  }
  return findings;
}

}  // namespace ringfence::audit
