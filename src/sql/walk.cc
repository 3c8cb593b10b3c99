#include "walk.h"

#include <algorithm>
#include <unordered_map>

#include "constants.h"
#include "kinds.h"
#include "vacuous.h"

namespace ringfence::sql {

void Walk::run(const Message& statement) {
  const Kind kind = kind_of(statement);
  facts_.kind = kind.name;
  facts_.names_every_column = kind.level >= Level::ddl && kind.name != "select_into" &&
                              kind.name != "create_view" && kind.name != "create_table_as" &&
                              kind.name != "create_materialized_view";
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
      {&pg_query__rename_stmt__descriptor, &Walk::on_rename},
      {&pg_query__alter_owner_stmt__descriptor, &Walk::on_owner},
      {&pg_query__grant_stmt__descriptor, &Walk::on_grant},
      {&pg_query__reindex_stmt__descriptor, &Walk::on_reindex},
      {&pg_query__vacuum_stmt__descriptor, &Walk::on_vacuum},
      {&pg_query__cluster_stmt__descriptor, &Walk::on_cluster},
      {&pg_query__create_publication_stmt__descriptor, &Walk::on_create_publication},
      {&pg_query__publication_obj_spec__descriptor, &Walk::on_publication_object},
      {&pg_query__import_foreign_schema_stmt__descriptor, &Walk::on_import},
      {&pg_query__alter_table_move_all_stmt__descriptor, &Walk::on_every},
      {&pg_query__drop_owned_stmt__descriptor, &Walk::on_every},
      {&pg_query__reassign_owned_stmt__descriptor, &Walk::on_every},
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
      for (Kind& further : further_kinds_of(*work.message)) {
        if (further.name != kind.name)
          add_effect(work, further.level, std::move(further.name), std::move(further.what));
      }
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
    if (const auto* cte =
            as<PgQuery__CommonTableExpr>(unwrap(with->ctes[i]), pg_query__common_table_expr__descriptor)) {
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

// --- What is found
// -------------------------------------------------------------------------------------------------

void Walk::add_effect(const Work& work, Level level, std::string kind, std::string what) {
  if (!work.is_explained) facts_.effects.push_back({level, std::move(kind), std::move(what), work.at});
}

void Walk::add_kind_inside(const Work& work, const PgQuery__Node* statement) {
  const Message* inside = unwrap(statement);
  if (inside == nullptr || !is_statement(inside->descriptor)) return;
  Kind kind = kind_of(*inside);
  // The others have their effect by themselves.
  if (kind.level == Level::read) add_effect(work, Level::read, std::move(kind.name), std::move(kind.what));
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

}  // namespace ringfence::sql
