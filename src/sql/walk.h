// Collects the facts of one parsed statement. Iterative: neither the walk nor what it keeps depends on the C
// stack.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "grammar.h"
#include "ringfence/sql/facts.h"

namespace ringfence::sql {

// Places are byte offsets while the walk runs; analyze() turns them into ordinals of tokens.
class Walk {
 public:
  explicit Walk(Facts& facts) : facts_(facts) {}
  void run(const Message& statement);

 private:
  // The names that WITH clauses have made so far, innermost first.
  struct Scope {
    const Scope* outer;
    std::string_view name;
  };
  struct Work {
    const Message* message;
    const Scope* scope = nullptr;
    bool is_written = false;    // What is named here is changed.
    bool is_explained = false;  // Below an EXPLAIN that runs nothing.
    Place at = 0;               // The nearest place that the grammar told.
  };
  using Handler = void (Walk::*)(const Work&);

  static Handler handler_of(MessageType type);
  void visit(const Work& work);
  // The children as they are, in order.
  void push_children(const Work& work);
  // The children but `skipped`, whatever it is.
  void push_children_but(const Work& work, const Message* skipped);
  void push(const Work& parent, const Message* child);
  void push_all(const Work& parent, PgQuery__Node* const* nodes, size_t count);
  void push_returning(const Work& work, PgQuery__Node* const* returning, size_t count);
  // Pushes the clause's own queries; gives the scope in which the statement stands.
  const Scope* push_with(const Work& work, const PgQuery__WithClause* with);
  bool is_cte(const Scope* scope, std::string_view name) const;

  void add_effect(const Work& work, Level level, std::string kind, std::string what);
  // PREPARE, DECLARE, COPY (…), EXPLAIN ANALYZE: also of the kind of what they run.
  void add_kind_inside(const Work& work, const PgQuery__Node* statement);
  void add_relation(const Work& work, const PgQuery__RangeVar* relation, bool is_written);
  void add_operator(const Work& work, PgQuery__Node* const* parts, size_t count, int32_t location);
  void add_attribute(std::string_view name, Place at, bool is_of_expression);
  void add_targets(PgQuery__Node* const* targets, size_t count);
  void add_setting_modes(PgQuery__Node* const* options, size_t count, bool is_local);
  void add_values(Setting& setting, PgQuery__Node* const* args, size_t count);
  void add_settings_update(const Work& work, const PgQuery__UpdateStmt& update);
  void add_every_relation(const Work& work, std::string_view schema);
  void add_schemas(const Work& work, PgQuery__Node* const* names, size_t count);
  void add_sequence(const Work& work, std::string_view function, const PgQuery__Node* argument);
  void add_named_objects(const Work& work, PgQuery__Node* const* objects, size_t count, bool has_column);

  void on_select(const Work&);
  void on_insert(const Work&);
  void on_update(const Work&);
  void on_delete(const Work&);
  void on_merge(const Work&);
  bool add_merge_action(const Work& work, const PgQuery__MergeWhenClause& when);
  void on_merge_when(const Work&);
  void on_conflict(const Work&);
  void on_copy(const Work&);
  void on_explain(const Work&);
  void on_prepare(const Work&);
  void on_execute(const Work&);
  void on_deallocate(const Work&);
  void on_declare(const Work&);
  void on_fetch(const Work&);
  void on_close(const Work&);
  void on_transaction(const Work&);
  void on_set(const Work&);
  void on_create_table_as(const Work&);
  void on_drop(const Work&);
  void on_comment(const Work&);
  void on_opaque(const Work&);
  void on_rename(const Work&);
  void on_owner(const Work&);
  void on_grant(const Work&);
  void on_reindex(const Work&);
  void on_vacuum(const Work&);
  void on_cluster(const Work&);
  void on_create_publication(const Work&);
  void on_publication_object(const Work&);
  void on_import(const Work&);
  void on_every(const Work&);
  void on_cte(const Work&);
  void on_range_var(const Work&);
  void on_range_sample(const Work&);
  void on_join(const Work&);
  void on_star(const Work&);
  void on_column(const Work&);
  void on_function(const Work&);
  void on_indirection(const Work&);
  void on_expression(const Work&);
  void on_sub_link(const Work&);
  void on_sort(const Work&);
  void on_index_element(const Work&);
  void on_locking(const Work&);

  Facts& facts_;
  const Message* top_ = nullptr;
  std::vector<Work> stack_;
  std::deque<Scope> scopes_;
  std::unordered_set<std::string_view>
      tables_;  // Names and aliases that a column reference may mean as a whole row.
  std::vector<std::pair<std::string_view, Place>> bare_columns_;
};

}  // namespace ringfence::sql
