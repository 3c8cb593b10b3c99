#include "catalog.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ringfence::policy {
namespace {

struct CatalogName {
  std::string_view name;
  uint8_t versions;  // A bit for each of catalog_versions.
};
struct CatalogOid {
  uint32_t oid;
  uint8_t versions;
};
#include "catalog.inc"

// Sorted, as the others are.
constexpr std::string_view write_functions[] = {"lo_close",
                                                "lo_creat",
                                                "lo_create",
                                                "lo_from_bytea",
                                                "lo_get",
                                                "lo_lseek",
                                                "lo_lseek64",
                                                "lo_open",
                                                "lo_put",
                                                "lo_tell",
                                                "lo_tell64",
                                                "lo_truncate",
                                                "lo_truncate64",
                                                "lo_unlink",
                                                "loread",
                                                "lowrite",
                                                "nextval",
                                                "pg_advisory_lock",
                                                "pg_advisory_lock_shared",
                                                "pg_advisory_unlock",
                                                "pg_advisory_unlock_shared",
                                                "pg_advisory_xact_lock",
                                                "pg_advisory_xact_lock_shared",
                                                "pg_current_xact_id",
                                                "pg_export_snapshot",
                                                "pg_notify",
                                                "pg_sleep",
                                                "pg_sleep_for",
                                                "pg_sleep_until",
                                                "pg_stat_clear_snapshot",
                                                "pg_try_advisory_lock",
                                                "pg_try_advisory_lock_shared",
                                                "pg_try_advisory_xact_lock",
                                                "pg_try_advisory_xact_lock_shared",
                                                "setseed",
                                                "setval",
                                                "txid_current"};

static_assert(std::is_sorted(std::begin(write_functions), std::end(write_functions)));

// Of all whose first argument may be a row (record, "any", anyelement, anynonarray, anycompatible) and that
// need no other, those that tell what is in it: count, num_nulls and pg_typeof do not, window functions and
// ordered-set aggregates are no such calls. Besides the catalog's those of hstore and PostGIS.
struct RowFunction {
  std::string_view name;
  int since = 0;  // Major version of the server.
};
constexpr RowFunction row_functions[] = {{"any_value"},          {"array_agg"},        {"concat"},
                                         {"hash_record"},        {"hstore"},           {"json_agg"},
                                         {"json_agg_strict"},    {"json_build_array"}, {"json_build_object"},
                                         {"jsonb_agg"},          {"jsonb_agg_strict"}, {"jsonb_build_array"},
                                         {"jsonb_build_object"}, {"max", 18},          {"min", 18},
                                         {"pg_column_size"},     {"quote_literal"},    {"quote_nullable"},
                                         {"record_out"},         {"record_send"},      {"row_to_json"},
                                         {"st_asflatgeobuf"},    {"st_asgeobuf"},      {"st_asgeojson"},
                                         {"st_asmvt"},           {"to_json"},          {"to_jsonb"}};

// As pg_proc has had them since PostgreSQL 9.3; those of 64 bits and lo_truncate are what libpq's and
// pgjdbc's clients use.
constexpr std::pair<uint32_t, std::string_view> large_object_functions[] = {
    {715, "lo_create"},      {764, "lo_import"},   {765, "lo_export"},  {767, "lo_import"},
    {952, "lo_open"},        {953, "lo_close"},    {954, "loread"},     {955, "lowrite"},
    {956, "lo_lseek"},       {957, "lo_creat"},    {958, "lo_tell"},    {964, "lo_unlink"},
    {1004, "lo_truncate"},   {3170, "lo_lseek64"}, {3171, "lo_tell64"}, {3172, "lo_truncate64"},
    {3457, "lo_from_bytea"}, {3458, "lo_get"},     {3459, "lo_get"},    {3460, "lo_put"}};

uint8_t bit_of(int server_version) {
  size_t index = 0;
  for (size_t i = 0; i < std::size(catalog_versions); ++i) {
    if (catalog_versions[i] <= server_version) index = i;
  }
  return static_cast<uint8_t>(1u << index);
}

template <typename Table, typename Key, typename Project>
bool contains(const Table& table, const Key& key, Project project, int server_version) {
  const auto found =
      std::lower_bound(std::begin(table), std::end(table), key,
                       [&](const auto& row, const Key& wanted) { return project(row) < wanted; });
  return found != std::end(table) && project(*found) == key &&
         (found->versions & bit_of(server_version)) != 0;
}

}  // namespace

bool is_read_function(std::string_view name, int server_version) {
  return contains(catalog_functions, name, [](const CatalogName& row) { return row.name; }, server_version);
}

bool is_information_function(std::string_view name, int server_version) {
  return contains(
      catalog_information_functions, name, [](const CatalogName& row) { return row.name; }, server_version);
}

bool is_refused_relation(std::string_view name, int server_version) {
  return contains(
      catalog_refused_relations, name, [](const CatalogName& row) { return row.name; }, server_version);
}

bool is_read_operator(std::string_view name, int server_version) {
  return contains(catalog_operators, name, [](const CatalogName& row) { return row.name; }, server_version);
}

bool is_row_function(std::string_view name, int server_version) {
  return std::any_of(std::begin(row_functions), std::end(row_functions), [&](const RowFunction& function) {
    return function.name == name && function.since <= server_version;
  });
}

bool is_catalog_function(std::string_view name) {
  return std::any_of(std::begin(catalog_versions), std::end(catalog_versions), [&](int version) {
    return contains(catalog_all_functions, name, [](const CatalogName& row) { return row.name; }, version);
  });
}

bool is_catalog_output(std::string_view name) {
  return std::any_of(std::begin(catalog_versions), std::end(catalog_versions), [&](int version) {
    return contains(catalog_outputs, name, [](const CatalogName& row) { return row.name; }, version);
  });
}

bool is_read_function_oid(uint32_t oid, int server_version) {
  return contains(catalog_function_oids, oid, [](const CatalogOid& row) { return row.oid; }, server_version);
}

std::string_view large_object_function(uint32_t oid) {
  const auto found = std::find_if(std::begin(large_object_functions), std::end(large_object_functions),
                                  [&](const auto& one) { return one.first == oid; });
  return found == std::end(large_object_functions) ? std::string_view() : found->second;
}

bool is_write_function(std::string_view name) {
  return std::binary_search(std::begin(write_functions), std::end(write_functions), name);
}

}  // namespace ringfence::policy
