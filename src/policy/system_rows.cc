#include "system_rows.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace ringfence::policy {
namespace {

// The tables of PostgreSQL 15 to 18, and the views over one table, through which its rows can be changed.
// Sorted.
constexpr std::string_view relations[] = {"enabled_roles",
                                          "pg_aggregate",
                                          "pg_am",
                                          "pg_amop",
                                          "pg_amproc",
                                          "pg_attrdef",
                                          "pg_attribute",
                                          "pg_auth_members",
                                          "pg_authid",
                                          "pg_cast",
                                          "pg_class",
                                          "pg_collation",
                                          "pg_constraint",
                                          "pg_conversion",
                                          "pg_database",
                                          "pg_db_role_setting",
                                          "pg_default_acl",
                                          "pg_depend",
                                          "pg_description",
                                          "pg_enum",
                                          "pg_event_trigger",
                                          "pg_extension",
                                          "pg_foreign_data_wrapper",
                                          "pg_foreign_server",
                                          "pg_foreign_table",
                                          "pg_group",
                                          "pg_index",
                                          "pg_inherits",
                                          "pg_init_privs",
                                          "pg_language",
                                          "pg_largeobject",
                                          "pg_largeobject_metadata",
                                          "pg_namespace",
                                          "pg_opclass",
                                          "pg_operator",
                                          "pg_opfamily",
                                          "pg_parameter_acl",
                                          "pg_partitioned_table",
                                          "pg_policy",
                                          "pg_proc",
                                          "pg_publication",
                                          "pg_publication_namespace",
                                          "pg_publication_rel",
                                          "pg_range",
                                          "pg_replication_origin",
                                          "pg_rewrite",
                                          "pg_seclabel",
                                          "pg_sequence",
                                          "pg_shdepend",
                                          "pg_shdescription",
                                          "pg_shseclabel",
                                          "pg_stat_database_conflicts",
                                          "pg_statistic",
                                          "pg_statistic_ext",
                                          "pg_statistic_ext_data",
                                          "pg_subscription",
                                          "pg_subscription_rel",
                                          "pg_tablespace",
                                          "pg_transform",
                                          "pg_trigger",
                                          "pg_ts_config",
                                          "pg_ts_config_map",
                                          "pg_ts_dict",
                                          "pg_ts_parser",
                                          "pg_ts_template",
                                          "pg_type",
                                          "pg_user_mapping"};
static_assert(std::is_sorted(std::begin(relations), std::end(relations)));

bool is_system_relation(const sql::RelationUse& relation) {
  if (relation.name == "pg_settings") return false;
  if (relation.schema == "pg_catalog" || relation.schema == "information_schema") return true;
  return relation.schema.empty() &&
         std::binary_search(std::begin(relations), std::end(relations), std::string_view(relation.name));
}

// Not what VACUUM, LOCK and COMMENT do, whose relations are written, too.
bool changes_rows(const sql::Facts& facts) {
  return std::any_of(facts.effects.begin(), facts.effects.end(), [](const sql::Effect& effect) {
    return effect.kind == "insert" || effect.kind == "update" || effect.kind == "delete" ||
           effect.kind == "merge" || effect.kind == "truncate";
  });
}

}  // namespace

const sql::RelationUse* changed_system_relation(const sql::Facts& facts) {
  if (!changes_rows(facts)) return nullptr;
  const auto found = std::find_if(
      facts.relations.begin(), facts.relations.end(),
      [](const sql::RelationUse& relation) { return relation.is_written && is_system_relation(relation); });
  return found == facts.relations.end() ? nullptr : &*found;
}

}  // namespace ringfence::policy
