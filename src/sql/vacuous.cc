#include "vacuous.h"

#include <algorithm>
#include <vector>

namespace ringfence::sql {
namespace {

bool same_column(const Message* left, const Message* right, const Changed& changed) {
  const auto* a = as<PgQuery__ColumnRef>(left, pg_query__column_ref__descriptor);
  const auto* b = as<PgQuery__ColumnRef>(right, pg_query__column_ref__descriptor);
  if (a == nullptr || b == nullptr) return false;
  const Qualified one = qualified(a->fields, a->n_fields), other = qualified(b->fields, b->n_fields);
  if (one.name != other.name) return false;
  // Of two tables it is a join. Without a table's name it may be any.
  return changed.is_joined_with_itself || one.schema.empty() || other.schema.empty() ||
         one.schema == other.schema;
}

// `other.x` is the same for every row of the target.
bool may_be_of_target(const PgQuery__ColumnRef& column, const Changed& changed) {
  const Qualified name = qualified(column.fields, column.n_fields);
  if (name.schema.empty() || changed.target == nullptr) return true;
  const PgQuery__Alias* alias = changed.target->alias;
  return name.schema == (alias != nullptr ? alias->aliasname : changed.target->relname);
}

bool depends_on_a_row(const Message& expression, const Changed& changed) {
  std::vector<const Message*> rest{&expression};
  while (!rest.empty()) {
    const Message* message = rest.back();
    rest.pop_back();
    if (message->descriptor == &pg_query__current_of_expr__descriptor) return true;
    const auto* column = as<PgQuery__ColumnRef>(message, pg_query__column_ref__descriptor);
    if (column != nullptr && may_be_of_target(*column, changed)) return true;
    for_each_child(*message, [&](const Message& child) { rest.push_back(&child); });
  }
  return false;
}

bool is_vacuous_to(const Message* where, const Changed& changed, int depth) {
  if (where == nullptr || depth == 0) return true;
  if (const auto* logic = as<PgQuery__BoolExpr>(where, pg_query__bool_expr__descriptor)) {
    const auto vacuous = [&](PgQuery__Node* arm) { return is_vacuous_to(unwrap(arm), changed, depth - 1); };
    if (logic->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
      return std::all_of(logic->args, logic->args + logic->n_args, vacuous);
    }
    return std::any_of(logic->args, logic->args + logic->n_args, vacuous);
  }
  if (const auto* compared = as<PgQuery__AExpr>(where, pg_query__a__expr__descriptor)) {
    if (same_column(unwrap(compared->lexpr), unwrap(compared->rexpr), changed)) return true;
  }
  return !depends_on_a_row(*where, changed);
}

}  // namespace

Changed changed_by(const PgQuery__RangeVar* target, PgQuery__Node* const* from, size_t count) {
  Changed changed{target};
  std::vector<const Message*> rest;
  for (size_t i = 0; i < count; ++i) rest.push_back(unwrap(from[i]));
  while (!rest.empty() && target != nullptr) {
    const Message* item = rest.back();
    rest.pop_back();
    if (const auto* join = as<PgQuery__JoinExpr>(item, pg_query__join_expr__descriptor)) {
      rest.push_back(unwrap(join->larg));
      rest.push_back(unwrap(join->rarg));
    }
    const auto* table = as<PgQuery__RangeVar>(item, pg_query__range_var__descriptor);
    if (table != nullptr && std::string_view(table->relname) == target->relname)
      changed.is_joined_with_itself = true;
  }
  return changed;
}

bool is_vacuous(const Message* where, const Changed& changed) { return is_vacuous_to(where, changed, 500); }

}  // namespace ringfence::sql
