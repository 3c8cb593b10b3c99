#include "target_privileges.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ringfence/base/utf8.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/store/connection.h"
#include "target_test.h"

namespace ringfence::app {

using control::Answer;
using control::PrivilegeQuestion;
using Asked = PrivilegeQuestion::Kind;

namespace {

constexpr int privileges_max = 1'000;
constexpr const char* table_privileges[] = {"SELECT",   "INSERT",     "UPDATE", "DELETE",
                                            "TRUNCATE", "REFERENCES", "TRIGGER"};

// A role and what it is a member of, whether or not it has their rights without SET ROLE.
constexpr const char* with_roles =
    "WITH RECURSIVE held (oid) AS (SELECT oid FROM pg_roles WHERE rolname = $ROLE UNION "
    "SELECT m.roleid FROM pg_auth_members m JOIN held h ON m.member = h.oid), ";

// Every privilege on what has an owner here; an object without a list of its own has its type's default.
constexpr const char* all_grants =
    "grants AS ("
    "SELECT n.nspname || '.' || c.relname AS object, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN "
    "'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS type, "
    "c.oid AS relation, false AS definer, a.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, "
    "LATERAL aclexplode(coalesce(c.relacl, acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' "
    "END)::\"char\", c.relowner))) a "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> "
    "'information_schema' "
    "UNION ALL SELECT n.nspname, 'schema', NULL, false, a.* FROM pg_namespace n, LATERAL "
    "aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE n.nspname !~ '^pg_' AND n.nspname "
    "<> "
    "'information_schema' "
    "UNION ALL SELECT d.datname, 'database', NULL, false, a.* FROM pg_database d, LATERAL "
    "aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = current_database() "
    "UNION ALL SELECT n.nspname || '.' || p.proname, 'function', NULL, p.prosecdef, a.* FROM pg_proc p JOIN "
    "pg_namespace n ON n.oid = p.pronamespace, LATERAL aclexplode(coalesce(p.proacl, acldefault('f', "
    "p.proowner))) a WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') ";

constexpr const char* one_privilege =
    "json_build_object('object', g.object, 'object_type', g.type, 'privilege', g.privilege_type, 'role', "
    "CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END, 'grantor', "
    "g.grantor::regrole::text, 'grantable', g.is_grantable)";

std::string with_values(std::string sql, const PrivilegeQuestion& question) {
  const auto put = [&sql](std::string_view mark, const std::string& value) {
    const std::string literal = store::quote_literal(value);
    for (size_t at = sql.find(mark); at != std::string::npos; at = sql.find(mark, at + literal.size()))
      sql.replace(at, mark.size(), literal);
  };
  put("$ROLE", question.name);
  return sql;
}

std::string list_of(const std::string& from, const char* order) {
  return "SELECT coalesce(json_agg(x.one), '[]') FROM (SELECT " + std::string(one_privilege) +
         " AS one FROM " + from + " ORDER BY " + order + " LIMIT " + std::to_string(privileges_max + 1) +
         ") x";
}

std::string role_facts() {
  return "SELECT json_build_object('superuser', r.rolsuper, 'createrole', r.rolcreaterole, 'createdb', "
         "r.rolcreatedb, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'login', "
         "r.rolcanlogin, 'member_of', (SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]') FROM "
         "pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid WHERE m.member = r.oid)) FROM pg_roles r "
         "WHERE r.rolname = $ROLE";
}

std::string role_privileges() {
  return std::string(with_roles) + all_grants +
         list_of("grants g WHERE g.grantee = 0 OR g.grantee IN (SELECT oid FROM held)",
                 "g.type, g.object, g.privilege_type");
}

// The name alone, or with its schema; as the catalogs have it.
std::string object_privileges() {
  return std::string("WITH ") + all_grants +
         list_of(
             "grants g WHERE g.object = $ROLE OR g.object LIKE '%.' || replace(replace(replace($ROLE, "
             "'\\', '\\\\'), '%', '\\%'), '_', '\\_')",
             "g.object, g.privilege_type, g.grantee");
}

// Of tables whose statistics show no such use since they began.
std::string unused_privileges() {
  return std::string(with_roles) + all_grants +
         list_of(
             "grants g JOIN pg_stat_all_tables s ON s.relid = g.relation WHERE g.grantee IN (SELECT oid "
             "FROM held) AND CASE g.privilege_type WHEN 'SELECT' THEN s.seq_scan + coalesce(s.idx_scan, "
             "0) = 0 WHEN 'INSERT' THEN s.n_tup_ins = 0 WHEN 'UPDATE' THEN s.n_tup_upd = 0 WHEN 'DELETE' "
             "THEN s.n_tup_del = 0 ELSE false END",
             "g.object, g.privilege_type");
}

std::string risky_privileges() {
  return std::string(with_roles) + all_grants +
         list_of(
             "grants g WHERE (g.grantee IN (SELECT oid FROM held) AND (g.is_grantable OR "
             "g.privilege_type IN ('TRUNCATE', 'TRIGGER', 'CREATE'))) OR (g.definer AND (g.grantee = 0 OR "
             "g.grantee IN (SELECT oid FROM held)))",
             "g.type, g.object, g.privilege_type");
}

std::string powerful_roles() {
  return std::string(with_roles) +
         "x AS (SELECT 1) SELECT coalesce(json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r JOIN "
         "held h ON h.oid = r.oid WHERE r.rolsuper OR r.rolname IN ('pg_execute_server_program', "
         "'pg_write_server_files', 'pg_read_server_files', 'pg_write_all_data', 'pg_read_all_data', "
         "'pg_signal_backend', 'pg_maintain', 'pg_create_subscription')";
}

std::vector<std::string> queries_of(const PrivilegeQuestion& question) {
  switch (question.kind) {
    case Asked::role: return {role_facts(), role_privileges()};
    case Asked::object: return {object_privileges()};
    case Asked::analysis:
      return {role_facts(), unused_privileges(), risky_privileges(), powerful_roles(),
              "SELECT to_json(stats_reset) FROM pg_stat_database WHERE datname = current_database()"};
    case Asked::validity: break;
  }
  const std::string role = store::quote_literal(question.name);
  const std::string object = store::quote_literal(question.object);
  // Names, not expressions: each part is looked up as the catalogs have it.
  return {role_facts(),
          "SELECT to_json(has_table_privilege(" + role + ", c.oid, " +
              store::quote_literal(question.privilege) +
              ")) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind "
              "IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname || '.' || c.relname = " +
              object + " OR (c.relname = " + object + " AND n.nspname = 'public'))"};
}

// The JSON of a query's only row; null: it has none.
model::Json value_of(const proxy::TrialReport& report, size_t place) {
  if (place >= report.answers.size() || report.answers[place].empty()) return {};
  const auto& cell = report.answers[place].front();
  if (cell.empty() || !cell.front()) return {};
  model::Json out = model::Json::parse(*cell.front(), nullptr, false);
  return out.is_discarded() ? model::Json() : out;
}

// A server may answer anything: what has another form is nothing.
model::Json list_in(const proxy::TrialReport& report, size_t place, bool& is_cut) {
  model::Json out = value_of(report, place);
  if (!out.is_array()) return model::Json::array();
  if (out.size() > privileges_max) {
    out.erase(out.begin() + privileges_max, out.end());
    is_cut = true;
  }
  return out;
}
bool flag_in(const model::Json& object, const char* name) {
  if (!object.is_object()) return false;
  const auto found = object.find(name);
  return found != object.end() && *found == true;
}

model::Json risk(int severity, const std::string& what, const model::Json& privilege,
                 const std::string& advice) {
  return {{"severity", severity}, {"reason", what}, {"privilege", privilege}, {"recommendation", advice}};
}

model::Json risk_of(const model::Json& privilege) {
  const std::string name = model::text_in(privilege, "privilege");
  if (model::text_in(privilege, "object_type") == "function")
    return risk(7, "the function runs with its owner's rights", privilege,
                "REVOKE EXECUTE from who need not run it");
  if (flag_in(privilege, "grantable"))
    return risk(7, "the role may give the privilege to others", privilege, "REVOKE GRANT OPTION FOR it");
  if (name == "CREATE") return risk(7, "the role may make objects there", privilege, "REVOKE CREATE");
  return risk(3, name + " takes or runs more than rows", privilege, "REVOKE " + name);
}

// 10: the server is theirs; 7: others get rights by it; 3: data goes.
model::Json risks_of(const model::Json& facts, const model::Json& privileges, const model::Json& powerful) {
  model::Json out = model::Json::array();
  constexpr std::pair<const char*, const char*> attributes[] = {{"superuser", "NOSUPERUSER"},
                                                                {"createrole", "NOCREATEROLE"},
                                                                {"bypassrls", "NOBYPASSRLS"},
                                                                {"replication", "NOREPLICATION"},
                                                                {"createdb", "NOCREATEDB"}};
  for (const auto& [attribute, cure] : attributes) {
    if (!flag_in(facts, attribute)) continue;
    out.push_back(risk(std::string_view(attribute) == "superuser" ? 10 : 7,
                       std::string("the role has the attribute ") + attribute, nullptr,
                       std::string("ALTER ROLE … ") + cure));
  }
  for (const model::Json& role : powerful) {
    if (role.is_string())
      out.push_back(risk(10, "the role is, or may become, " + role.get<std::string>(), nullptr,
                         "REVOKE this membership"));
  }
  for (const model::Json& one : privileges) out.push_back(risk_of(one));
  return out;
}

model::Json recommendations_of(const model::Json& unused, const model::Json& risks) {
  model::Json out = model::Json::array();
  if (!unused.empty())
    out.push_back("REVOKE the " + std::to_string(unused.size()) +
                  " privileges that nobody has used since the statistics began.");
  const auto worst = std::count_if(risks.begin(), risks.end(),
                                   [](const model::Json& one) { return one.at("severity") == 10; });
  if (worst > 0)
    out.push_back("Give this role to no target: " + std::to_string(worst) +
                  " of its rights make the server its own.");
  return out;
}

model::Json body_of(const PrivilegeQuestion& question, const proxy::TrialReport& report) {
  bool is_cut = false;
  model::Json out;
  if (question.kind == Asked::object) {
    out = {{"object", question.name}, {"privileges", list_in(report, 0, is_cut)}};
  } else if (question.kind == Asked::validity) {
    return {{"role", question.name},
            {"object", question.object},
            {"privilege", question.privilege},
            {"valid", value_of(report, 1) == true}};
  } else if (question.kind == Asked::role) {
    out = {{"role", question.name},
           {"attributes", value_of(report, 0)},
           {"privileges", list_in(report, 1, is_cut)}};
  } else {
    model::Json unused = list_in(report, 1, is_cut);
    model::Json risks = risks_of(value_of(report, 0), list_in(report, 2, is_cut), list_in(report, 3, is_cut));
    model::Json recommendations = recommendations_of(unused, risks);
    out = {{"role", question.name},
           {"unused_privileges", std::move(unused)},
           {"high_risk_privileges", std::move(risks)},
           {"recommendations", std::move(recommendations)},
           {"statistics_since", value_of(report, 4)}};
  }
  out["truncated"] = is_cut;
  return out;
}

Answer wrong(const char* field, std::string message) {
  return control::invalid({{field, std::move(message)}});
}

}  // namespace

Answer privileges_on(const control::TargetFacts& target, const PrivilegeQuestion& question) {
  if (target.is_tcp)
    return wrong("target", "is of type tcp, which has no privileges; name one of PostgreSQL");
  const bool is_known = std::find(std::begin(table_privileges), std::end(table_privileges),
                                  question.privilege) != std::end(table_privileges);
  if (question.kind == Asked::validity && !is_known) {
    return wrong("privilege",
                 "is no privilege of tables; use SELECT, INSERT, UPDATE, DELETE, TRUNCATE, "
                 "REFERENCES or TRIGGER");
  }
  proxy::TrialQuestion asked;
  asked.connect_ms = target_test_ms;
  asked.is_read_only = true;
  for (const std::string& query : queries_of(question)) asked.queries.push_back(with_values(query, question));
  const model::PgTarget& server = target.postgres;
  const proxy::TrialReport report =
      ask_target(server, server.credential_for(policy::Level::read), std::move(asked));
  if (!report.is_ok) {
    const std::string stage(proxy::name_of(report.story.stage));
    return control::unavailable("the server of the target does not answer (" + stage +
                                "): " + make_valid_text(text_prefix(report.reason, 1'000)));
  }
  Answer out;
  out.body = body_of(question, report);
  if (question.kind != Asked::object && value_of(report, 0).is_null())
    return control::refusal(Answer::Kind::not_found, "the server has no role \"" + question.name + "\"");
  if (question.kind == Asked::object && out.body["privileges"].empty())
    return control::refusal(Answer::Kind::not_found,
                            "the database has no object \"" + question.name + "\" that anybody may use");
  if (question.kind == Asked::validity && value_of(report, 1).is_null())
    return control::refusal(Answer::Kind::not_found, "the database has no table \"" + question.object + "\"");
  out.body["target"] = server.name;
  return out;
}

}  // namespace ringfence::app
