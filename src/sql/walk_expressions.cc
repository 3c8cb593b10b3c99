// What stands below statements: relations, names, calls, operators.
#include <algorithm>

#include "constants.h"
#include "kinds.h"
#include "walk.h"

namespace ringfence::sql {
namespace {

// What they do depends on what their arguments say, so one call tells nothing of the next.
bool is_argument_sensitive(std::string_view name) {
  static constexpr std::string_view prefixes[] = {
      "query_to_xml",  "table_to_xml", "schema_to_xml", "database_to_xml",
      "cursor_to_xml", "crosstab",     "connectby",     "dblink",
      "xpath_table",   "lo_",          "ts_stat",       "ts_rewrite"};
  return name == "set_config" || std::any_of(std::begin(prefixes), std::end(prefixes),
                                             [&](auto prefix) { return name.starts_with(prefix); });
}

// Their first argument names a relation.
bool is_of_sequence(std::string_view name) {
  return name == "nextval" || name == "setval" || name == "currval";
}

}  // namespace

void Walk::on_cte(const Work& work) {
  Work inner = work;
  inner.at = place(reinterpret_cast<const PgQuery__CommonTableExpr*>(work.message)->location, work.at);
  push_children(inner);
}

void Walk::on_range_var(const Work& work) {
  const auto* relation = reinterpret_cast<const PgQuery__RangeVar*>(work.message);
  const bool is_qualified = relation->schemaname[0] != '\0';
  if (!is_qualified && !work.is_written && is_cte(work.scope, relation->relname)) return;
  add_relation(work, relation, work.is_written);
}

void Walk::on_range_sample(const Work& work) {
  const auto& sample = *reinterpret_cast<const PgQuery__RangeTableSample*>(work.message);
  const Qualified method = qualified(sample.method, sample.n_method);
  facts_.functions.push_back(
      {std::string(method.schema), std::string(method.name), place(sample.location, work.at)});
  push_children(work);
}

void Walk::on_join(const Work& work) {
  const auto& join = *reinterpret_cast<const PgQuery__JoinExpr*>(work.message);
  if (join.is_natural || join.n_using_clause > 0) facts_.names_every_column = true;
  if (join.alias != nullptr) {
    tables_.insert(join.alias->aliasname);
    if (join.alias->n_colnames > 0) facts_.names_every_column = true;
  }
  if (join.join_using_alias != nullptr) tables_.insert(join.join_using_alias->aliasname);
  push_children(work);
}

void Walk::on_star(const Work&) { facts_.names_every_column = true; }

void Walk::on_column(const Work& work) {
  const auto& column = *reinterpret_cast<const PgQuery__ColumnRef*>(work.message);
  const Qualified name = qualified(column.fields, column.n_fields);
  const Place at = place(column.location, work.at);
  if (name.name.empty()) {  // t.*
    facts_.names_every_column = true;
    return;
  }
  if (column.n_fields == 1) bare_columns_.emplace_back(name.name, at);
  facts_.columns.push_back({std::string(name.schema), std::string(name.name), at});
  if (column.n_fields > 1) add_attribute(name.name, at, false);
}

void Walk::add_attribute(std::string_view name, Place at, bool is_of_expression) {
  for (const Attribute& known : facts_.attributes) {
    if (known.name == name && known.is_of_expression >= is_of_expression) return;
  }
  Attribute attribute;
  attribute.name = name;
  attribute.at = at;
  attribute.is_of_expression = is_of_expression;
  facts_.attributes.push_back(std::move(attribute));
}

void Walk::on_indirection(const Work& work) {
  const auto& indirection = *reinterpret_cast<const PgQuery__AIndirection*>(work.message);
  for (size_t i = 0; i < indirection.n_indirection; ++i) {
    const std::string_view name = text_of(unwrap(indirection.indirection[i]));
    if (!name.empty()) add_attribute(name, work.at, true);
    if (is_argument_sensitive(name)) facts_.is_shape_cacheable = false;
    if (i == 0 && is_of_sequence(name)) add_sequence(work, name, indirection.arg);
  }
  push_children(work);
}

void Walk::on_function(const Work& work) {
  const auto& call = *reinterpret_cast<const PgQuery__FuncCall*>(work.message);
  const Qualified name = qualified(call.funcname, call.n_funcname);
  const Place at = place(call.location, work.at);
  facts_.functions.push_back({std::string(name.schema), std::string(name.name), at});
  if (is_argument_sensitive(name.name)) facts_.is_shape_cacheable = false;
  if (name.name == "set_config") {
    Setting setting;
    setting.at = at;
    const auto setting_name = call.n_args > 0 ? constant_argument(unwrap(call.args[0])) : std::nullopt;
    auto value = call.n_args > 1 ? constant_argument(unwrap(call.args[1])) : std::nullopt;
    setting.is_constant = setting_name.has_value() && value.has_value() && call.n_args == 3;
    if (setting_name && call.n_args == 3) setting.name = lower(*setting_name);
    if (value) setting.values.push_back(std::move(*value));
    facts_.settings.push_back(std::move(setting));
  }
  Work inner = work;
  inner.at = at;
  if (call.n_args > 0 && is_of_sequence(name.name)) add_sequence(inner, name.name, call.args[0]);
  push_children(inner);
}

void Walk::on_expression(const Work& work) {
  const auto& expression = *reinterpret_cast<const PgQuery__AExpr*>(work.message);
  // BETWEEN stands in the operator's place there; what it means is >= and <=.
  if (expression.kind < PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN) {
    add_operator(work, expression.name, expression.n_name, expression.location);
  }
  Work inner = work;
  inner.at = place(expression.location, work.at);
  push_children(inner);
}

void Walk::on_sub_link(const Work& work) {
  const auto& link = *reinterpret_cast<const PgQuery__SubLink*>(work.message);
  add_operator(work, link.oper_name, link.n_oper_name, link.location);
  Work inner = work;
  inner.at = place(link.location, work.at);
  push_children(inner);
}

void Walk::on_sort(const Work& work) {
  const auto& sort = *reinterpret_cast<const PgQuery__SortBy*>(work.message);
  add_operator(work, sort.use_op, sort.n_use_op, sort.location);
  push_children(work);
}

// The column of ON CONFLICT (column) and CREATE INDEX … (column).
void Walk::on_index_element(const Work& work) {
  const auto& element = *reinterpret_cast<const PgQuery__IndexElem*>(work.message);
  if (element.name[0] != '\0') facts_.columns.push_back({"", element.name, work.at});
  push_children(work);
}

// FOR UPDATE OF a, b: the names are of the FROM clause, not of the catalog.
void Walk::on_locking(const Work&) {}

}  // namespace ringfence::sql
