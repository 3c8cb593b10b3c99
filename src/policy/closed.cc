#include "closed.h"

#include <algorithm>
#include <iterator>

#include "names.h"

namespace ringfence::policy {
namespace {

// Of PostgreSQL 15 to 18, and of the extensions that keep statements or the constants in them.
constexpr ClosedRelation closed_relations[] = {
    {"pg_catalog", "pg_stats", ""},
    {"pg_catalog", "pg_stats_ext", ""},
    {"pg_catalog", "pg_stats_ext_exprs", ""},
    {"pg_catalog", "pg_statistic", ""},
    {"pg_catalog", "pg_statistic_ext_data", ""},
    {"pg_catalog", "pg_stat_activity", "query"},
    {"pg_catalog", "pg_largeobject", ""},
    {"pg_toast", "*", ""},
    {"", "pg_toast_*", ""},
    {"", "pg_stat_statements", "query"},
    {"", "pg_stat_monitor", ""},
    {"", "pg_qualstats*", ""},
    {"", "pg_show_plans*", ""},
    {"", "pg_store_plans", ""},
};

// Options of user mappings and subscriptions, in which passwords stand for other servers. The tables are
// refused as a whole, but for pg_subscription, which tools list.
constexpr ClosedRelation secrets[] = {
    {"pg_catalog", "pg_user_mappings", "umoptions"},
    {"pg_catalog", "pg_subscription", "subconninfo"},
    {"", "user_mapping_options", "option_value"},
    {"", "_pg_user_mappings", "umoptions"},
};

// They show statements or statistics, read a relation by a name that no rule sees, or read its pages, its log
// or its file.
constexpr std::string_view closed_functions[] = {
    "bt_multi_page_stats*",
    "bt_page_items*",
    "brin_page_items",
    "connectby*",
    "crosstab*",
    "cursor_to_xml*",
    "database_to_xml*",
    "dblink*",
    "get_raw_page",
    "gin_leafpage_items",
    "gist_page_items*",
    "hash_page_items",
    "heap_page_item*",
    "lo_import",
    "pg_file_read",
    "pg_get_wal_block_info",
    "pg_get_wal_record_info",
    "pg_get_wal_records_info*",
    "pg_logical_slot_get_*",
    "pg_logical_slot_peek_*",
    "pg_mcv_list_items",
    "pg_qualstats*",
    "pg_read_binary_file",
    "pg_read_file*",
    "pg_show_plans*",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_stat_monitor",
    "pg_stat_statements",
    "pg_store_plans",
    "query_to_xml*",
    "schema_to_xml*",
    "table_to_xml*",
    "ts_rewrite",
    "ts_stat",
    "tuple_data_split",
    "xpath_table",
};

template <size_t n>
const ClosedRelation* find(const ClosedRelation (&table)[n], std::string_view schema, std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const ClosedRelation& one) {
    if (!matches_wildcard(one.name, name)) return false;
    if (one.schema.empty() || one.schema == schema) return true;
    return schema.empty() && one.schema == "pg_catalog";
  });
  return found == std::end(table) ? nullptr : found;
}

}  // namespace

const ClosedRelation* closed_relation(std::string_view schema, std::string_view name) {
  return find(closed_relations, schema, name);
}

const ClosedRelation* secret_relation(std::string_view schema, std::string_view name) {
  return find(secrets, schema, name);
}

bool is_closed_function(std::string_view name) {
  return std::any_of(std::begin(closed_functions), std::end(closed_functions),
                     [&](auto one) { return matches_wildcard(one, name); });
}

}  // namespace ringfence::policy
