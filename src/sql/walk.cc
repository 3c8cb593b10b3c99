#include "walk.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <unordered_map>

#include "kinds.h"

namespace ringfence::sql {
namespace {

std::string lower(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), [](unsigned char c) { return std::tolower(c); });
  return folded;
}

Place place(int32_t location, Place otherwise) {
  return location >= 0 ? static_cast<Place>(location) : otherwise;
}

// The text of a constant, through casts; nothing for anything that is computed, and for NULL.
std::optional<std::string> constant_text(const Message* message) {
  for (int depth = 0; depth < 4; ++depth) {
    const auto* cast = as<PgQuery__TypeCast>(message, pg_query__type_cast__descriptor);
    if (cast == nullptr) break;
    message = unwrap(cast->arg);
  }
  if (const auto* string = as<PgQuery__String>(message, pg_query__string__descriptor)) return string->sval;
  if (const auto* number = as<PgQuery__Integer>(message, pg_query__integer__descriptor)) {
    return std::to_string(number->ival);
  }
  if (const auto* number = as<PgQuery__Float>(message, pg_query__float__descriptor)) return number->fval;
  if (const auto* boolean = as<PgQuery__Boolean>(message, pg_query__boolean__descriptor)) {
    return boolean->boolval ? "true" : "false";
  }
  const auto* constant = as<PgQuery__AConst>(message, pg_query__a__const__descriptor);
  if (constant == nullptr || constant->isnull) return std::nullopt;
  switch (constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return std::to_string(constant->ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL: return constant->fval->fval;
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return constant->boolval->boolval ? "true" : "false";
    case PG_QUERY__A__CONST__VAL_SVAL: return constant->sval->sval;
    default: return std::nullopt;
  }
}

// What they do depends on what their arguments say, so one call tells nothing of the next.
bool is_argument_sensitive(std::string_view name) {
  static constexpr std::string_view prefixes[] = {"query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml",
                                                  "cursor_to_xml", "crosstab",     "connectby",     "dblink",
                                                  "xpath_table",   "lo_",          "ts_stat",       "ts_rewrite"};
  return name == "set_config" ||
         std::any_of(std::begin(prefixes), std::end(prefixes), [&](auto prefix) { return name.starts_with(prefix); });
}

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

// --- The walk ----------------------------------------------------------------------------------------------------

void Walk::run(const Message& statement) {
  const Kind kind = kind_of(statement);
  facts_.kind = kind.name;
  facts_.names_every_column = kind.level >= Level::ddl && kind.name != "select_into" && kind.name != "create_view" &&
                              kind.name != "create_table_as" && kind.name != "create_materialized_view";
  facts_.is_shape_cacheable = kind.name == "select" || kind.name == "values" || kind.name == "insert" ||
                              kind.name == "update" || kind.name == "delete" || kind.name == "merge";
  top_ = &statement;
  stack_.push_back({&statement});
  while (!stack_.empty()) {
    const Work work = stack_.back();
    stack_.pop_back();
    const auto first = static_cast<std::ptrdiff_t>(stack_.size());
    visit(work);
    std::reverse(stack_.begin() + first, stack_.end());
  }
  for (const auto& [name, at] : bare_columns_) {
    if (tables_.contains(name)) facts_.names_every_column = true;
  }
}

Walk::Handler Walk::handler_of(MessageType type) {
  static const std::unordered_map<MessageType, Handler> handlers = {
      {&pg_query__select_stmt__descriptor, &Walk::on_select},
      {&pg_query__insert_stmt__descriptor, &Walk::on_insert},
      {&pg_query__update_stmt__descriptor, &Walk::on_update},
      {&pg_query__delete_stmt__descriptor, &Walk::on_delete},
      {&pg_query__merge_stmt__descriptor, &Walk::on_merge},
      {&pg_query__merge_when_clause__descriptor, &Walk::on_merge_when},
      {&pg_query__on_conflict_clause__descriptor, &Walk::on_conflict},
      {&pg_query__copy_stmt__descriptor, &Walk::on_copy},
      {&pg_query__explain_stmt__descriptor, &Walk::on_explain},
      {&pg_query__prepare_stmt__descriptor, &Walk::on_prepare},
      {&pg_query__execute_stmt__descriptor, &Walk::on_execute},
      {&pg_query__deallocate_stmt__descriptor, &Walk::on_deallocate},
      {&pg_query__declare_cursor_stmt__descriptor, &Walk::on_declare},
      {&pg_query__fetch_stmt__descriptor, &Walk::on_fetch},
      {&pg_query__close_portal_stmt__descriptor, &Walk::on_close},
      {&pg_query__transaction_stmt__descriptor, &Walk::on_transaction},
      {&pg_query__variable_set_stmt__descriptor, &Walk::on_set},
      {&pg_query__create_table_as_stmt__descriptor, &Walk::on_create_table_as},
      {&pg_query__drop_stmt__descriptor, &Walk::on_drop},
      {&pg_query__comment_stmt__descriptor, &Walk::on_comment},
      {&pg_query__do_stmt__descriptor, &Walk::on_opaque},
      {&pg_query__call_stmt__descriptor, &Walk::on_opaque},
      {&pg_query__common_table_expr__descriptor, &Walk::on_cte},
      {&pg_query__range_var__descriptor, &Walk::on_range_var},
      {&pg_query__range_table_sample__descriptor, &Walk::on_range_sample},
      {&pg_query__join_expr__descriptor, &Walk::on_join},
      {&pg_query__a__star__descriptor, &Walk::on_star},
      {&pg_query__column_ref__descriptor, &Walk::on_column},
      {&pg_query__func_call__descriptor, &Walk::on_function},
      {&pg_query__a__indirection__descriptor, &Walk::on_indirection},
      {&pg_query__a__expr__descriptor, &Walk::on_expression},
      {&pg_query__sub_link__descriptor, &Walk::on_sub_link},
      {&pg_query__sort_by__descriptor, &Walk::on_sort},
      {&pg_query__index_elem__descriptor, &Walk::on_index_element},
      {&pg_query__locking_clause__descriptor, &Walk::on_locking},
  };
  const auto found = handlers.find(type);
  return found == handlers.end() ? nullptr : found->second;
}

void Walk::visit(const Work& work) {
  Work here = work;
  if (is_statement(work.message->descriptor)) {
    const Kind kind = kind_of(*work.message);
    if (kind.level != Level::read) {
      here.is_written = true;
      add_effect(work, kind.level, kind.name, kind.what);
    }
  }
  if (Handler handler = handler_of(work.message->descriptor)) {
    (this->*handler)(here);
  } else {
    push_children(here);
  }
}

void Walk::push(const Work& parent, const Message* child) {
  if (child == nullptr) return;
  Work work = parent;
  work.message = child;
  stack_.push_back(work);
}

void Walk::push_all(const Work& parent, PgQuery__Node* const* nodes, size_t count) {
  for (size_t i = 0; i < count; ++i) push(parent, unwrap(nodes[i]));
}

void Walk::push_children(const Work& work) { push_children_but(work, nullptr); }

void Walk::push_children_but(const Work& work, const Message* skipped) {
  for_each_child(*work.message, [&](const Message& child) {
    if (&child != skipped) push(work, &child);
  });
}

const Walk::Scope* Walk::push_with(const Work& work, const PgQuery__WithClause* with) {
  if (with == nullptr) return work.scope;
  const Scope* scope = work.scope;
  std::vector<const PgQuery__CommonTableExpr*> ctes;
  for (size_t i = 0; i < with->n_ctes; ++i) {
    if (const auto* cte = as<PgQuery__CommonTableExpr>(unwrap(with->ctes[i]), pg_query__common_table_expr__descriptor)) {
      ctes.push_back(cte);
    }
  }
  const auto add = [&](const PgQuery__CommonTableExpr* cte) {
    scopes_.push_back({scope, cte->ctename});
    scope = &scopes_.back();
  };
  if (with->recursive) std::for_each(ctes.begin(), ctes.end(), add);
  for (const auto* cte : ctes) {
    Work query = work;
    query.scope = scope;
    push(query, up(cte));
    // Without RECURSIVE a query sees the names before its own; its own name means the table.
    if (!with->recursive) add(cte);
  }
  return scope;
}

bool Walk::is_cte(const Scope* scope, std::string_view name) const {
  for (; scope != nullptr; scope = scope->outer) {
    if (scope->name == name) return true;
  }
  return false;
}

// --- What is found -------------------------------------------------------------------------------------------------

void Walk::add_effect(const Work& work, Level level, std::string kind, std::string what) {
  if (!work.is_explained) facts_.effects.push_back({level, std::move(kind), std::move(what), work.at});
}

void Walk::add_relation(const Work& work, const PgQuery__RangeVar* relation, bool is_written) {
  if (relation == nullptr) return;
  RelationUse use;
  use.catalog = relation->catalogname;
  use.schema = relation->schemaname;
  use.name = relation->relname;
  use.at = place(relation->location, work.at);
  use.is_written = is_written;
  tables_.insert(relation->relname);
  if (relation->alias != nullptr) {
    tables_.insert(relation->alias->aliasname);
    if (relation->alias->n_colnames > 0) facts_.names_every_column = true;
  }
  facts_.relations.push_back(std::move(use));
}

void Walk::add_operator(const Work& work, PgQuery__Node* const* parts, size_t count, int32_t location) {
  if (count == 0) return;
  const Qualified name = qualified(parts, count);
  for (const Name& known : facts_.operators) {
    if (known.name == name.name && known.schema == name.schema) return;
  }
  facts_.operators.push_back({std::string(name.schema), std::string(name.name), place(location, work.at)});
}

// The columns that INSERT's list, UPDATE's SET and their like name.
void Walk::add_targets(PgQuery__Node* const* targets, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const auto* target = as<PgQuery__ResTarget>(unwrap(targets[i]), pg_query__res_target__descriptor);
    if (target == nullptr) continue;
    facts_.columns.push_back({"", target->name, place(target->location, nowhere)});
  }
}

void Walk::add_values(Setting& setting, PgQuery__Node* const* args, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (auto value = constant_text(unwrap(args[i]))) {
      setting.values.push_back(std::move(*value));
    } else {
      setting.is_constant = false;
    }
  }
}

// transaction_isolation, transaction_read_only, transaction_deferrable of BEGIN and SET TRANSACTION.
void Walk::add_setting_modes(PgQuery__Node* const* options, size_t count, bool is_local) {
  for (size_t i = 0; i < count; ++i) {
    const auto* option = as<PgQuery__DefElem>(unwrap(options[i]), pg_query__def_elem__descriptor);
    if (option == nullptr) continue;
    Setting setting;
    setting.name = option->defname;
    if (!is_local) setting.name.insert(0, "default_");
    setting.is_local = is_local;
    setting.at = place(option->location, 0);
    add_values(setting, &option->arg, 1);
    facts_.settings.push_back(std::move(setting));
  }
}

// Names that the grammar gives as lists of strings: DROP TABLE a.b, COMMENT ON COLUMN a.b.c.
void Walk::add_named_objects(const Work& work, PgQuery__Node* const* objects, size_t count, bool has_column) {
  for (size_t i = 0; i < count; ++i) {
    const auto* list = as<PgQuery__List>(unwrap(objects[i]), pg_query__list__descriptor);
    if (list == nullptr || list->n_items <= (has_column ? 1U : 0U)) continue;
    const Qualified name = qualified(list->items, list->n_items - (has_column ? 1 : 0));
    RelationUse use;
    use.catalog = name.catalog;
    use.schema = name.schema;
    use.name = name.name;
    use.at = work.at;
    use.is_written = true;
    facts_.relations.push_back(std::move(use));
  }
}

// --- Statements ------------------------------------------------------------------------------------------------------

void Walk::on_select(const Work& work) {
  const auto& select = *reinterpret_cast<const PgQuery__SelectStmt*>(work.message);
  if (select.n_locking_clause > 0) add_effect(work, Level::write, "select_for_update", "SELECT … FOR UPDATE or SHARE");
  if (select.into_clause != nullptr) add_relation(work, select.into_clause->rel, true);
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, select.with_clause);
  for_each_child(*work.message, [&](const Message& child) {
    if (&child != up(select.with_clause) && &child != up(select.into_clause)) push(inner, &child);
  });
}

void Walk::on_insert(const Work& work) {
  const auto& insert = *reinterpret_cast<const PgQuery__InsertStmt*>(work.message);
  add_relation(work, insert.relation, true);
  add_targets(insert.cols, insert.n_cols);
  if (insert.n_cols == 0) facts_.names_every_column = true;
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, insert.with_clause);
  push_all(inner, insert.cols, insert.n_cols);
  push(inner, unwrap(insert.select_stmt));
  push(inner, up(insert.on_conflict_clause));
  push_all(inner, insert.returning_list, insert.n_returning_list);
}

void Walk::on_update(const Work& work) {
  const auto& update = *reinterpret_cast<const PgQuery__UpdateStmt*>(work.message);
  add_relation(work, update.relation, true);
  add_targets(update.target_list, update.n_target_list);
  if (is_vacuous(unwrap(update.where_clause))) facts_.misses_where = true;
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, update.with_clause);
  push_all(inner, update.target_list, update.n_target_list);
  push_all(inner, update.from_clause, update.n_from_clause);
  push(inner, unwrap(update.where_clause));
  push_all(inner, update.returning_list, update.n_returning_list);
}

void Walk::on_delete(const Work& work) {
  const auto& erase = *reinterpret_cast<const PgQuery__DeleteStmt*>(work.message);
  add_relation(work, erase.relation, true);
  if (is_vacuous(unwrap(erase.where_clause))) facts_.misses_where = true;
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, erase.with_clause);
  push_all(inner, erase.using_clause, erase.n_using_clause);
  push(inner, unwrap(erase.where_clause));
  push_all(inner, erase.returning_list, erase.n_returning_list);
}

void Walk::on_merge(const Work& work) {
  const auto& merge = *reinterpret_cast<const PgQuery__MergeStmt*>(work.message);
  add_relation(work, merge.relation, true);
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, merge.with_clause);
  push(inner, unwrap(merge.source_relation));
  push(inner, unwrap(merge.join_condition));
  push_all(inner, merge.merge_when_clauses, merge.n_merge_when_clauses);
}

void Walk::on_merge_when(const Work& work) {
  const auto& when = *reinterpret_cast<const PgQuery__MergeWhenClause*>(work.message);
  add_targets(when.target_list, when.n_target_list);
  if (when.command_type == PG_QUERY__CMD_TYPE__CMD_INSERT && when.n_target_list == 0) {
    facts_.names_every_column = true;
  }
  push_children(work);
}

void Walk::on_conflict(const Work& work) {
  const auto& conflict = *reinterpret_cast<const PgQuery__OnConflictClause*>(work.message);
  add_targets(conflict.target_list, conflict.n_target_list);
  push_children(work);
}

void Walk::on_copy(const Work& work) {
  const auto& copy = *reinterpret_cast<const PgQuery__CopyStmt*>(work.message);
  add_relation(work, copy.relation, copy.is_from);
  for (size_t i = 0; i < copy.n_attlist; ++i) {
    facts_.columns.push_back({"", std::string(text_of(unwrap(copy.attlist[i]))), nowhere});
  }
  if (copy.relation != nullptr && copy.n_attlist == 0) facts_.names_every_column = true;
  Work inner = work;
  inner.is_written = false;
  push(inner, unwrap(copy.query));
  push(inner, unwrap(copy.where_clause));
  push_all(inner, copy.options, copy.n_options);
}

void Walk::on_explain(const Work& work) {
  const auto& explain = *reinterpret_cast<const PgQuery__ExplainStmt*>(work.message);
  bool analyzes = false;
  for (size_t i = 0; i < explain.n_options; ++i) {
    const auto* option = as<PgQuery__DefElem>(unwrap(explain.options[i]), pg_query__def_elem__descriptor);
    if (option == nullptr || lower(option->defname) != "analyze") continue;
    const auto value = constant_text(unwrap(option->arg));
    // Of several the last one counts; here any that is not surely false does.
    if (!value || (*value != "0" && lower(*value) != "false" && lower(*value) != "off")) analyzes = true;
  }
  if (work.message == top_ && analyzes) facts_.kind = "explain_analyze";
  Work inner = work;
  inner.is_explained = work.is_explained || !analyzes;
  push(inner, unwrap(explain.query));
}

void Walk::on_prepare(const Work& work) {
  facts_.defines = reinterpret_cast<const PgQuery__PrepareStmt*>(work.message)->name;
  push_children(work);
}

void Walk::on_execute(const Work& work) {
  facts_.executes = reinterpret_cast<const PgQuery__ExecuteStmt*>(work.message)->name;
  push_children(work);
}

void Walk::on_deallocate(const Work& work) {
  facts_.drops = reinterpret_cast<const PgQuery__DeallocateStmt*>(work.message)->name;
  facts_.drops_all = facts_.drops.empty();
}

void Walk::on_declare(const Work& work) {
  facts_.defines = reinterpret_cast<const PgQuery__DeclareCursorStmt*>(work.message)->portalname;
  facts_.is_portal = true;
  push_children(work);
}

void Walk::on_fetch(const Work& work) {
  facts_.executes = reinterpret_cast<const PgQuery__FetchStmt*>(work.message)->portalname;
  facts_.is_portal = true;
}

void Walk::on_close(const Work& work) {
  facts_.drops = reinterpret_cast<const PgQuery__ClosePortalStmt*>(work.message)->portalname;
  facts_.is_portal = true;
  facts_.drops_all = facts_.drops.empty();
}

void Walk::on_transaction(const Work& work) {
  const auto& transaction = *reinterpret_cast<const PgQuery__TransactionStmt*>(work.message);
  switch (transaction.kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START: facts_.control = Control::begin; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: facts_.control = Control::commit; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: facts_.control = Control::rollback; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: facts_.control = Control::savepoint; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE: facts_.control = Control::release; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO: facts_.control = Control::rollback_to; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
      facts_.control = Control::commit_prepared;
      break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
      facts_.control = Control::rollback_prepared;
      break;
    default: facts_.control = Control::prepare_transaction; break;
  }
  add_setting_modes(transaction.options, transaction.n_options, true);
}

void Walk::on_set(const Work& work) {
  const auto& set = *reinterpret_cast<const PgQuery__VariableSetStmt*>(work.message);
  const std::string_view name = set.name;
  if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI && name != "TRANSACTION SNAPSHOT") {
    add_setting_modes(set.args, set.n_args, name == "TRANSACTION");
    return;
  }
  Setting setting;
  setting.name = set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL ? "all" : lower(name);
  setting.is_local = set.is_local;
  setting.at = work.at;
  if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT) {
    setting.verb = Setting::Verb::from_current;
  } else if (set.kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE &&
             set.kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) {
    setting.verb = Setting::Verb::reset;
  }
  add_values(setting, set.args, set.n_args);
  facts_.settings.push_back(std::move(setting));
}

void Walk::on_create_table_as(const Work& work) {
  const auto& create = *reinterpret_cast<const PgQuery__CreateTableAsStmt*>(work.message);
  if (create.into != nullptr) add_relation(work, create.into->rel, true);
  push_children_but(work, up(create.into));
}

void Walk::on_drop(const Work& work) {
  const auto& drop = *reinterpret_cast<const PgQuery__DropStmt*>(work.message);
  switch (drop.remove_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
      add_named_objects(work, drop.objects, drop.n_objects, false);
      break;
    // The relation stands before the name: trigger, rule and policy of a table.
    case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
      add_named_objects(work, drop.objects, drop.n_objects, true);
      break;
    default: break;
  }
  push_children(work);
}

void Walk::on_comment(const Work& work) {
  const auto& comment = *reinterpret_cast<const PgQuery__CommentStmt*>(work.message);
  switch (comment.objtype) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
      add_named_objects(work, &comment.object, 1, false);
      break;
    case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT:
      add_named_objects(work, &comment.object, 1, true);
      break;
    default: break;
  }
  push_children(work);
}

void Walk::on_opaque(const Work& work) {
  facts_.is_opaque = true;
  push_children(work);
}

// --- Below statements --------------------------------------------------------------------------------------------

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
  facts_.functions.push_back({std::string(method.schema), std::string(method.name), place(sample.location, work.at)});
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
    const auto setting_name = call.n_args > 0 ? constant_text(unwrap(call.args[0])) : std::nullopt;
    if (setting_name) setting.name = lower(*setting_name);
    if (call.n_args > 1) add_values(setting, call.args + 1, 1);
    setting.is_constant = setting.is_constant && setting_name.has_value() && call.n_args == 3;
    facts_.settings.push_back(std::move(setting));
  }
  Work inner = work;
  inner.at = at;
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
