// What each kind of statement means.
#include <optional>

#include "constants.h"
#include "kinds.h"
#include "vacuous.h"
#include "walk.h"

namespace ringfence::sql {

void Walk::on_select(const Work& work) {
  const auto& select = *reinterpret_cast<const PgQuery__SelectStmt*>(work.message);
  if (select.n_locking_clause > 0)
    add_effect(work, Level::write, "select_for_update", "SELECT … FOR UPDATE or SHARE");
  if (select.into_clause != nullptr) add_relation(work, select.into_clause->rel, true);
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, select.with_clause);
  for_each_child(*work.message, [&](const Message& child) {
    if (&child != up(select.with_clause) && &child != up(select.into_clause)) push(inner, &child);
  });
}

// Since PostgreSQL 18 `old` and `new` are there the row before and after.
void Walk::push_returning(const Work& work, PgQuery__Node* const* returning, size_t count) {
  if (count > 0) tables_.insert({"old", "new"});
  push_all(work, returning, count);
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
  push_returning(inner, insert.returning_list, insert.n_returning_list);
}

void Walk::on_update(const Work& work) {
  const auto& update = *reinterpret_cast<const PgQuery__UpdateStmt*>(work.message);
  add_relation(work, update.relation, true);
  add_settings_update(work, update);
  add_targets(update.target_list, update.n_target_list);
  const Changed changed = changed_by(update.relation, update.from_clause, update.n_from_clause);
  if (is_vacuous(unwrap(update.where_clause), changed)) facts_.misses_where = true;
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, update.with_clause);
  push_all(inner, update.target_list, update.n_target_list);
  push_all(inner, update.from_clause, update.n_from_clause);
  push(inner, unwrap(update.where_clause));
  push_returning(inner, update.returning_list, update.n_returning_list);
}

void Walk::on_delete(const Work& work) {
  const auto& erase = *reinterpret_cast<const PgQuery__DeleteStmt*>(work.message);
  add_relation(work, erase.relation, true);
  const Changed changed = changed_by(erase.relation, erase.using_clause, erase.n_using_clause);
  if (is_vacuous(unwrap(erase.where_clause), changed)) facts_.misses_where = true;
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, erase.with_clause);
  push_all(inner, erase.using_clause, erase.n_using_clause);
  push(inner, unwrap(erase.where_clause));
  push_returning(inner, erase.returning_list, erase.n_returning_list);
}

void Walk::on_merge(const Work& work) {
  const auto& merge = *reinterpret_cast<const PgQuery__MergeStmt*>(work.message);
  add_relation(work, merge.relation, true);
  const Changed changed = changed_by(merge.relation, &merge.source_relation, 1);
  const bool joins_every_row = is_vacuous(unwrap(merge.join_condition), changed);
  for (size_t i = 0; i < merge.n_merge_when_clauses; ++i) {
    const auto* when = as<PgQuery__MergeWhenClause>(unwrap(merge.merge_when_clauses[i]),
                                                    pg_query__merge_when_clause__descriptor);
    if (when == nullptr || !add_merge_action(work, *when)) continue;
    if (joins_every_row && is_vacuous(unwrap(when->condition), changed)) facts_.misses_where = true;
  }
  Work inner = work;
  inner.is_written = false;
  inner.scope = push_with(inner, merge.with_clause);
  push(inner, unwrap(merge.source_relation));
  push(inner, unwrap(merge.join_condition));
  push_all(inner, merge.merge_when_clauses, merge.n_merge_when_clauses);
}

// Besides being a MERGE it is what its clauses do. True: it changes rows that are there.
bool Walk::add_merge_action(const Work& work, const PgQuery__MergeWhenClause& when) {
  switch (when.command_type) {
    case PG_QUERY__CMD_TYPE__CMD_NOTHING: return false;
    case PG_QUERY__CMD_TYPE__CMD_INSERT:
      add_effect(work, Level::write, "insert", "MERGE … INSERT");
      return false;
    case PG_QUERY__CMD_TYPE__CMD_UPDATE:
      add_effect(work, Level::write, "update", "MERGE … UPDATE");
      return true;
    default: add_effect(work, Level::write, "delete", "MERGE … DELETE"); return true;
  }
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
  // Of what is there it changes the row in conflict and no other, so that it needs no WHERE.
  if (conflict.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE) {
    add_effect(work, Level::write, "update", "INSERT … ON CONFLICT DO UPDATE");
  }
  tables_.insert("excluded");
  add_targets(conflict.target_list, conflict.n_target_list);
  push_children(work);
}

void Walk::on_copy(const Work& work) {
  const auto& copy = *reinterpret_cast<const PgQuery__CopyStmt*>(work.message);
  add_relation(work, copy.relation, copy.is_from);
  if (copy.is_from) add_effect(work, Level::write, "insert", "COPY … FROM");
  for (size_t i = 0; i < copy.n_attlist; ++i) {
    facts_.columns.push_back({"", std::string(text_of(unwrap(copy.attlist[i]))), nowhere});
  }
  if (copy.relation != nullptr && copy.n_attlist == 0) facts_.names_every_column = true;
  Work inner = work;
  inner.is_written = false;
  add_kind_inside(work, copy.query);
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
  add_kind_inside(inner, explain.query);
  push(inner, unwrap(explain.query));
}

void Walk::on_prepare(const Work& work) {
  const auto& prepare = *reinterpret_cast<const PgQuery__PrepareStmt*>(work.message);
  facts_.defines = prepare.name;
  add_kind_inside(work, prepare.query);
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
  const auto& declare = *reinterpret_cast<const PgQuery__DeclareCursorStmt*>(work.message);
  facts_.defines = declare.portalname;
  facts_.is_portal = true;
  add_kind_inside(work, declare.query);
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
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      facts_.control = Control::rollback_to;
      break;
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
  setting.is_kept = work.message != top_;
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
    case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA: add_schemas(work, drop.objects, drop.n_objects); break;
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
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX: add_named_objects(work, &comment.object, 1, false); break;
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

}  // namespace ringfence::sql
