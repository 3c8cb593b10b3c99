#include "vacuous.h"

#include <algorithm>
#include <vector>

namespace ringfence::sql {
namespace {

bool same_column(const Message* left, const Message* right) {
  const auto* a = as<PgQuery__ColumnRef>(left, pg_query__column_ref__descriptor);
  const auto* b = as<PgQuery__ColumnRef>(right, pg_query__column_ref__descriptor);
  if (a == nullptr || b == nullptr) return false;
  return text_of(unwrap(a->fields[a->n_fields - 1])) == text_of(unwrap(b->fields[b->n_fields - 1]));
}

bool depends_on_a_row(const Message& expression) {
  std::vector<const Message*> rest{&expression};
  while (!rest.empty()) {
    const Message* message = rest.back();
    rest.pop_back();
    if (message->descriptor == &pg_query__column_ref__descriptor ||
        message->descriptor == &pg_query__current_of_expr__descriptor) {
      return true;
    }
    for_each_child(*message, [&](const Message& child) { rest.push_back(&child); });
  }
  return false;
}

bool is_vacuous_to(const Message* where, int depth) {
  if (where == nullptr || depth == 0) return true;
  if (const auto* logic = as<PgQuery__BoolExpr>(where, pg_query__bool_expr__descriptor)) {
    const auto vacuous = [&](PgQuery__Node* arm) { return is_vacuous_to(unwrap(arm), depth - 1); };
    if (logic->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
      return std::all_of(logic->args, logic->args + logic->n_args, vacuous);
    }
    return std::any_of(logic->args, logic->args + logic->n_args, vacuous);
  }
  if (const auto* compared = as<PgQuery__AExpr>(where, pg_query__a__expr__descriptor)) {
    if (same_column(unwrap(compared->lexpr), unwrap(compared->rexpr))) return true;
  }
  return !depends_on_a_row(*where);
}

}  // namespace

bool is_vacuous(const Message* where) { return is_vacuous_to(where, 500); }

}  // namespace ringfence::sql
