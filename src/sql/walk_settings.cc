// UPDATE pg_settings, which is a SET: PostgreSQL's rule on that view calls set_config() for each row that it
// finds.
#include <optional>

#include "constants.h"
#include "walk.h"

namespace ringfence::sql {

namespace {

// The last part of a column's name; empty: it is none.
std::string_view column_of(const PgQuery__Node* node) {
  const auto* column = as<PgQuery__ColumnRef>(unwrap(node), pg_query__column_ref__descriptor);
  if (column == nullptr || column->n_fields == 0) return {};
  return text_of(unwrap(column->fields[column->n_fields - 1]));
}

// Of `name = 'a constant'`, alone; nothing where other rows may be found as well.
std::optional<std::string> name_in(const PgQuery__Node* where) {
  const auto* equals = as<PgQuery__AExpr>(unwrap(where), pg_query__a__expr__descriptor);
  if (equals == nullptr || equals->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || equals->n_name == 0)
    return std::nullopt;
  if (text_of(unwrap(equals->name[equals->n_name - 1])) != "=") return std::nullopt;
  if (column_of(equals->lexpr) == "name") return constant_argument(unwrap(equals->rexpr));
  if (column_of(equals->rexpr) == "name") return constant_argument(unwrap(equals->lexpr));
  return std::nullopt;
}

}  // namespace

void Walk::add_settings_update(const Work& work, const PgQuery__UpdateStmt& update) {
  const PgQuery__RangeVar* view = update.relation;
  if (view == nullptr || std::string_view(view->relname) != "pg_settings") return;
  const std::string_view schema = view->schemaname;
  if (!schema.empty() && schema != "pg_catalog") return;
  Setting setting;
  setting.at = place(view->location, work.at);
  // Without a constant name it may be any setting.
  const auto name = update.n_from_clause == 0 ? name_in(update.where_clause) : std::nullopt;
  setting.is_constant = name.has_value();
  if (name) setting.name = lower(*name);
  for (size_t i = 0; i < update.n_target_list; ++i) {
    const auto* target =
        as<PgQuery__ResTarget>(unwrap(update.target_list[i]), pg_query__res_target__descriptor);
    auto value = target != nullptr ? constant_argument(unwrap(target->val)) : std::nullopt;
    if (value) setting.values.push_back(std::move(*value));
    else setting.is_constant = false;
  }
  facts_.settings.push_back(std::move(setting));
  facts_.is_shape_cacheable = false;
}

}  // namespace ringfence::sql
