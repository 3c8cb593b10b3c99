#include "ringfence/sql/known_kinds.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

namespace ringfence::sql {
namespace {

// What kind_of() makes and effects are called; a test holds them against the grammar.
constexpr KnownKind kinds[] = {
    {"alter_aggregate", Level::ddl, true},
    {"alter_collation", Level::ddl, true},
    {"alter_conversion", Level::ddl, true},
    {"alter_database", Level::admin, true},
    {"alter_default_privileges", Level::admin, true},
    {"alter_domain", Level::ddl, true},
    {"alter_event_trigger", Level::admin, true},
    {"alter_extension", Level::admin, true},
    {"alter_foreign_data_wrapper", Level::admin, true},
    {"alter_foreign_table", Level::ddl, true},
    {"alter_function", Level::ddl, true},
    {"alter_index", Level::ddl, true},
    {"alter_language", Level::admin, true},
    {"alter_materialized_view", Level::ddl, true},
    {"alter_operator", Level::ddl, true},
    {"alter_operator_class", Level::ddl, true},
    {"alter_operator_family", Level::ddl, true},
    {"alter_owner", Level::admin, true},
    {"alter_policy", Level::admin, true},
    {"alter_procedure", Level::ddl, true},
    {"alter_publication", Level::admin, true},
    {"alter_role", Level::admin, true},
    {"alter_routine", Level::ddl, true},
    {"alter_rule", Level::ddl, true},
    {"alter_schema", Level::ddl, true},
    {"alter_sequence", Level::ddl, true},
    {"alter_server", Level::admin, true},
    {"alter_statistics", Level::ddl, true},
    {"alter_subscription", Level::admin, true},
    {"alter_system", Level::admin, false},
    {"alter_table", Level::ddl, true},
    {"alter_tablespace", Level::admin, true},
    {"alter_text_search_configuration", Level::ddl, true},
    {"alter_text_search_dictionary", Level::ddl, true},
    {"alter_text_search_parser", Level::ddl, true},
    {"alter_text_search_template", Level::ddl, true},
    {"alter_trigger", Level::ddl, true},
    {"alter_type", Level::ddl, true},
    {"alter_user_mapping", Level::admin, true},
    {"alter_view", Level::ddl, true},
    {"analyze", Level::ddl, true},
    {"begin", Level::read, false},
    {"call", Level::admin, true},
    {"checkpoint", Level::admin, false},
    {"close", Level::read, false},
    {"cluster", Level::ddl, true},
    {"comment", Level::ddl, true},
    {"commit", Level::read, false},
    {"commit_prepared", Level::admin, false},
    {"copy_from", Level::write, true},
    {"copy_from_file", Level::admin, true},
    {"copy_from_program", Level::admin, true},
    {"copy_to", Level::read, true},
    {"copy_to_file", Level::admin, true},
    {"copy_to_program", Level::admin, true},
    {"create_access_method", Level::admin, true},
    {"create_aggregate", Level::ddl, true},
    {"create_cast", Level::ddl, true},
    {"create_collation", Level::ddl, true},
    {"create_conversion", Level::ddl, true},
    {"create_database", Level::admin, true},
    {"create_domain", Level::ddl, true},
    {"create_event_trigger", Level::admin, true},
    {"create_extension", Level::admin, true},
    {"create_foreign_data_wrapper", Level::admin, true},
    {"create_foreign_table", Level::ddl, true},
    {"create_function", Level::ddl, true},
    {"create_index", Level::ddl, true},
    {"create_language", Level::admin, true},
    {"create_materialized_view", Level::ddl, true},
    {"create_operator", Level::ddl, true},
    {"create_operator_class", Level::ddl, true},
    {"create_operator_family", Level::ddl, true},
    {"create_policy", Level::admin, true},
    {"create_publication", Level::admin, true},
    {"create_role", Level::admin, true},
    {"create_rule", Level::ddl, true},
    {"create_schema", Level::ddl, true},
    {"create_sequence", Level::ddl, true},
    {"create_server", Level::admin, true},
    {"create_statistics", Level::ddl, true},
    {"create_subscription", Level::admin, true},
    {"create_table", Level::ddl, true},
    {"create_table_as", Level::ddl, true},
    {"create_tablespace", Level::admin, true},
    {"create_text_search_configuration", Level::ddl, true},
    {"create_text_search_dictionary", Level::ddl, true},
    {"create_text_search_parser", Level::ddl, true},
    {"create_text_search_template", Level::ddl, true},
    {"create_transform", Level::admin, true},
    {"create_trigger", Level::ddl, true},
    {"create_type", Level::ddl, true},
    {"create_user_mapping", Level::admin, true},
    {"create_view", Level::ddl, true},
    {"deallocate", Level::read, false},
    {"declare", Level::read, true},
    {"delete", Level::write, true},
    {"discard", Level::read, false},
    {"do", Level::admin, false},
    {"drop_access_method", Level::admin, true},
    {"drop_aggregate", Level::ddl, true},
    {"drop_cast", Level::ddl, true},
    {"drop_collation", Level::ddl, true},
    {"drop_conversion", Level::ddl, true},
    {"drop_database", Level::admin, true},
    {"drop_domain", Level::ddl, true},
    {"drop_event_trigger", Level::admin, true},
    {"drop_extension", Level::admin, true},
    {"drop_foreign_data_wrapper", Level::admin, true},
    {"drop_foreign_table", Level::ddl, true},
    {"drop_function", Level::ddl, true},
    {"drop_index", Level::ddl, true},
    {"drop_language", Level::admin, true},
    {"drop_materialized_view", Level::ddl, true},
    {"drop_operator", Level::ddl, true},
    {"drop_operator_class", Level::ddl, true},
    {"drop_operator_family", Level::ddl, true},
    {"drop_owned", Level::admin, true},
    {"drop_policy", Level::admin, true},
    {"drop_procedure", Level::ddl, true},
    {"drop_publication", Level::admin, true},
    {"drop_role", Level::admin, true},
    {"drop_routine", Level::ddl, true},
    {"drop_rule", Level::ddl, true},
    {"drop_schema", Level::ddl, true},
    {"drop_sequence", Level::ddl, true},
    {"drop_server", Level::admin, true},
    {"drop_statistics", Level::ddl, true},
    {"drop_subscription", Level::admin, true},
    {"drop_table", Level::ddl, true},
    {"drop_tablespace", Level::admin, true},
    {"drop_text_search_configuration", Level::ddl, true},
    {"drop_text_search_dictionary", Level::ddl, true},
    {"drop_text_search_parser", Level::ddl, true},
    {"drop_text_search_template", Level::ddl, true},
    {"drop_transform", Level::admin, true},
    {"drop_trigger", Level::ddl, true},
    {"drop_type", Level::ddl, true},
    {"drop_user_mapping", Level::admin, true},
    {"drop_view", Level::ddl, true},
    {"execute", Level::read, true},
    {"explain", Level::read, true},
    {"explain_analyze", Level::read, true},
    {"fetch", Level::read, false},
    {"grant", Level::admin, true},
    {"import_foreign_schema", Level::admin, true},
    {"insert", Level::write, true},
    {"listen", Level::read, false},
    {"load", Level::admin, false},
    {"lock", Level::write, true},
    {"merge", Level::write, true},
    {"move", Level::read, false},
    {"notify", Level::write, false},
    {"prepare", Level::read, true},
    {"prepare_transaction", Level::admin, false},
    {"reassign_owned", Level::admin, true},
    {"refresh_materialized_view", Level::write, true},
    {"reindex", Level::ddl, true},
    {"release", Level::read, false},
    {"reset", Level::read, false},
    {"revoke", Level::admin, true},
    {"rollback", Level::read, false},
    {"rollback_prepared", Level::admin, false},
    {"rollback_to", Level::read, false},
    {"savepoint", Level::read, false},
    {"security_label", Level::admin, true},
    {"select", Level::read, true},
    {"select_for_update", Level::write, true},
    {"select_into", Level::ddl, true},
    {"set", Level::read, false},
    {"set_constraints", Level::write, false},
    {"show", Level::read, false},
    {"truncate", Level::ddl, true},
    {"unlisten", Level::read, false},
    {"update", Level::write, true},
    {"vacuum", Level::ddl, true},
    {"values", Level::read, true},
};
static_assert(std::is_sorted(std::begin(kinds), std::end(kinds),
                             [](const KnownKind& a, const KnownKind& b) { return a.name < b.name; }));

// Letters put in, left out, exchanged, or in the other order. Both are short.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t k = 0; k <= b.size(); ++k) {
      if (i == 0 || k == 0) {
        rows[i][k] = i + k;
        continue;
      }
      rows[i][k] = std::min(
          {rows[i - 1][k] + 1, rows[i][k - 1] + 1, rows[i - 1][k - 1] + (a[i - 1] == b[k - 1] ? 0 : 1)});
      const bool is_turned = i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1];
      if (is_turned) rows[i][k] = std::min(rows[i][k], rows[i - 2][k - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::span<const KnownKind> known_kinds() { return kinds; }

std::optional<std::string_view> nearest_kind(std::string_view written) {
  constexpr size_t bytes_max = 64;
  if (written.empty() || written.size() > bytes_max) return std::nullopt;
  std::optional<std::string_view> nearest;
  size_t least = std::max<size_t>(2, written.size() / 3) + 1;
  for (const KnownKind& kind : kinds) {
    const size_t here = distance(written, kind.name);
    if (here >= least) continue;
    least = here;
    nearest = kind.name;
  }
  return nearest;
}

}  // namespace ringfence::sql
