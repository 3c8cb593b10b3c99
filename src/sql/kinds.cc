#include "kinds.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ringfence::sql {
namespace {

struct Row {
  MessageType type;
  const char* name;
  Level level;
};

#define ROW(message, name, level) {&pg_query__##message##__descriptor, name, Level::level}
// The ones whose name or level depends on their fields are settled in kind_of().
constexpr Row kind_rows[] = {
    ROW(select_stmt, "select", read),
    ROW(insert_stmt, "insert", write),
    ROW(update_stmt, "update", write),
    ROW(delete_stmt, "delete", write),
    ROW(merge_stmt, "merge", write),
    ROW(copy_stmt, "copy", admin),
    ROW(explain_stmt, "explain", read),
    ROW(prepare_stmt, "prepare", read),
    ROW(execute_stmt, "execute", read),
    ROW(deallocate_stmt, "deallocate", read),
    ROW(declare_cursor_stmt, "declare", read),
    ROW(fetch_stmt, "fetch", read),
    ROW(close_portal_stmt, "close", read),
    ROW(transaction_stmt, "transaction", read),
    ROW(variable_set_stmt, "set", read),
    ROW(variable_show_stmt, "show", read),
    ROW(discard_stmt, "discard", read),
    ROW(listen_stmt, "listen", read),
    ROW(unlisten_stmt, "unlisten", read),

    ROW(notify_stmt, "notify", write),
    ROW(lock_stmt, "lock", write),
    ROW(constraints_set_stmt, "set_constraints", write),
    ROW(refresh_mat_view_stmt, "refresh_materialized_view", write),
    ROW(truncate_stmt, "truncate", ddl),

    ROW(create_stmt, "create_table", ddl),
    ROW(create_table_as_stmt, "create_table_as", ddl),
    ROW(create_foreign_table_stmt, "create_foreign_table", ddl),
    ROW(create_schema_stmt, "create_schema", ddl),
    ROW(create_seq_stmt, "create_sequence", ddl),
    ROW(create_domain_stmt, "create_domain", ddl),
    ROW(create_enum_stmt, "create_type", ddl),
    ROW(create_range_stmt, "create_type", ddl),
    ROW(composite_type_stmt, "create_type", ddl),
    ROW(create_function_stmt, "create_function", ddl),
    ROW(create_trig_stmt, "create_trigger", ddl),
    ROW(create_stats_stmt, "create_statistics", ddl),
    ROW(create_conversion_stmt, "create_conversion", ddl),
    ROW(create_cast_stmt, "create_cast", ddl),
    ROW(create_op_class_stmt, "create_operator_class", ddl),
    ROW(create_op_family_stmt, "create_operator_family", ddl),
    ROW(define_stmt, "create", ddl),
    ROW(index_stmt, "create_index", ddl),
    ROW(view_stmt, "create_view", ddl),
    ROW(rule_stmt, "create_rule", ddl),
    ROW(drop_stmt, "drop", ddl),
    ROW(alter_table_stmt, "alter", ddl),
    ROW(alter_table_move_all_stmt, "alter_table", ddl),
    ROW(alter_domain_stmt, "alter_domain", ddl),
    ROW(alter_function_stmt, "alter_function", ddl),
    ROW(alter_seq_stmt, "alter_sequence", ddl),
    ROW(alter_enum_stmt, "alter_type", ddl),
    ROW(alter_type_stmt, "alter_type", ddl),
    ROW(alter_operator_stmt, "alter_operator", ddl),
    ROW(alter_op_family_stmt, "alter_operator_family", ddl),
    ROW(alter_collation_stmt, "alter_collation", ddl),
    ROW(alter_stats_stmt, "alter_statistics", ddl),
    ROW(alter_tsdictionary_stmt, "alter_text_search_dictionary", ddl),
    ROW(alter_tsconfiguration_stmt, "alter_text_search_configuration", ddl),
    ROW(alter_object_depends_stmt, "alter", ddl),
    ROW(alter_object_schema_stmt, "alter", ddl),
    ROW(rename_stmt, "alter", ddl),
    ROW(replica_identity_stmt, "alter_table", ddl),
    ROW(comment_stmt, "comment", ddl),
    ROW(vacuum_stmt, "vacuum", ddl),
    ROW(cluster_stmt, "cluster", ddl),
    ROW(reindex_stmt, "reindex", ddl),

    ROW(do_stmt, "do", admin),
    ROW(call_stmt, "call", admin),
    ROW(load_stmt, "load", admin),
    ROW(check_point_stmt, "checkpoint", admin),
    ROW(alter_system_stmt, "alter_system", admin),
    ROW(alter_owner_stmt, "alter_owner", admin),
    ROW(grant_stmt, "grant", admin),
    ROW(grant_role_stmt, "grant", admin),
    ROW(alter_default_privileges_stmt, "alter_default_privileges", admin),
    ROW(create_role_stmt, "create_role", admin),
    ROW(alter_role_stmt, "alter_role", admin),
    ROW(alter_role_set_stmt, "alter_role", admin),
    ROW(drop_role_stmt, "drop_role", admin),
    ROW(drop_owned_stmt, "drop_owned", admin),
    ROW(reassign_owned_stmt, "reassign_owned", admin),
    ROW(createdb_stmt, "create_database", admin),
    ROW(dropdb_stmt, "drop_database", admin),
    ROW(alter_database_stmt, "alter_database", admin),
    ROW(alter_database_refresh_coll_stmt, "alter_database", admin),
    ROW(alter_database_set_stmt, "alter_database", admin),
    ROW(create_table_space_stmt, "create_tablespace", admin),
    ROW(drop_table_space_stmt, "drop_tablespace", admin),
    ROW(alter_table_space_options_stmt, "alter_tablespace", admin),
    ROW(create_extension_stmt, "create_extension", admin),
    ROW(alter_extension_stmt, "alter_extension", admin),
    ROW(alter_extension_contents_stmt, "alter_extension", admin),
    ROW(create_plang_stmt, "create_language", admin),
    ROW(create_transform_stmt, "create_transform", admin),
    ROW(create_am_stmt, "create_access_method", admin),
    ROW(create_fdw_stmt, "create_foreign_data_wrapper", admin),
    ROW(alter_fdw_stmt, "alter_foreign_data_wrapper", admin),
    ROW(create_foreign_server_stmt, "create_server", admin),
    ROW(alter_foreign_server_stmt, "alter_server", admin),
    ROW(create_user_mapping_stmt, "create_user_mapping", admin),
    ROW(alter_user_mapping_stmt, "alter_user_mapping", admin),
    ROW(drop_user_mapping_stmt, "drop_user_mapping", admin),
    ROW(import_foreign_schema_stmt, "import_foreign_schema", admin),
    ROW(create_event_trig_stmt, "create_event_trigger", admin),
    ROW(alter_event_trig_stmt, "alter_event_trigger", admin),
    ROW(create_policy_stmt, "create_policy", admin),
    ROW(alter_policy_stmt, "alter_policy", admin),
    ROW(create_publication_stmt, "create_publication", admin),
    ROW(alter_publication_stmt, "alter_publication", admin),
    ROW(create_subscription_stmt, "create_subscription", admin),
    ROW(alter_subscription_stmt, "alter_subscription", admin),
    ROW(drop_subscription_stmt, "drop_subscription", admin),
    ROW(sec_label_stmt, "security_label", admin),
};

const Row* find_row(MessageType type) {
  static const std::unordered_map<MessageType, const Row*> by_type = [] {
    std::unordered_map<MessageType, const Row*> out;
    for (const Row& row : kind_rows) out.emplace(row.type, &row);
    return out;
  }();
  const auto found = by_type.find(type);
  return found == by_type.end() ? nullptr : found->second;
}
#undef ROW

// Objects that the grammar calls otherwise than people do, and what it calls one where statements of their
// own call it another.
constexpr std::pair<PgQuery__ObjectType, const char*> object_names[] = {
    {PG_QUERY__OBJECT_TYPE__OBJECT_ATTRIBUTE, "type"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_DOMCONSTRAINT, "domain"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_FDW, "foreign_data_wrapper"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_SERVER, "server"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_LARGEOBJECT, "large_object"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW, "materialized_view"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_OPCLASS, "operator_class"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_OPFAMILY, "operator_family"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_STATISTIC_EXT, "statistics"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT, "table"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_TSCONFIGURATION, "text_search_configuration"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_TSDICTIONARY, "text_search_dictionary"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_TSPARSER, "text_search_parser"},
    {PG_QUERY__OBJECT_TYPE__OBJECT_TSTEMPLATE, "text_search_template"},
};

// "OBJECT_FOREIGN_TABLE" -> "foreign_table", by the grammar's own names.
std::string object_name(PgQuery__ObjectType type) {
  for (const auto& [known, name] : object_names) {
    if (known == type) return name;
  }
  const auto* value =
      protobuf_c_enum_descriptor_get_value(&pg_query__object_type__descriptor, static_cast<int>(type));
  std::string name = value == nullptr ? "OBJECT_OBJECT" : value->name;
  name.erase(0, name.rfind("OBJECT_", 0) == 0 ? 7 : 0);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// What only level admin makes, it alone drops and renames.
bool is_for_administrators(PgQuery__ObjectType type) {
  switch (type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_ACCESS_METHOD:
    case PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_EVENT_TRIGGER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FDW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_SERVER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_LANGUAGE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
    case PG_QUERY__OBJECT_TYPE__OBJECT_PUBLICATION:
    case PG_QUERY__OBJECT_TYPE__OBJECT_ROLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SUBSCRIPTION:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLESPACE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TRANSFORM: return true;
    default: return false;
  }
}

// "drop_foreign_table" -> "DROP FOREIGN TABLE"
std::string for_people(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c == '_' ? ' ' : std::toupper(c); });
  return text;
}

Kind named(std::string name, Level level) {
  Kind kind{std::move(name), level, {}};
  kind.what = for_people(kind.name);
  return kind;
}

Kind copy_kind(const PgQuery__CopyStmt& copy) {
  const char* direction = copy.is_from ? "FROM" : "TO";
  const bool has_file = copy.filename != nullptr && copy.filename[0] != '\0';
  const std::string name = copy.is_from ? "copy_from" : "copy_to";
  if (copy.is_program)
    return {name + "_program", Level::admin, std::string("COPY … ") + direction + " PROGRAM"};
  if (has_file) return {name + "_file", Level::admin, std::string("COPY … ") + direction + " a file"};
  return {name, copy.is_from ? Level::write : Level::read, std::string("COPY … ") + direction};
}

Kind transaction_kind(const PgQuery__TransactionStmt& transaction) {
  switch (transaction.kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START: return named("begin", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: return named("commit", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: return named("rollback", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: return named("savepoint", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE: return named("release", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO: return named("rollback_to", Level::read);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
      return named("prepare_transaction", Level::admin);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
      return named("commit_prepared", Level::admin);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
      return named("rollback_prepared", Level::admin);
    default: return named("unknown", Level::admin);
  }
}

}  // namespace

bool has_kind(MessageType type) { return find_row(type) != nullptr; }

bool is_statement(MessageType type) {
  if (has_kind(type)) return true;
  std::string_view name = type->short_name;
  // Not statements that a client sends: what wraps one, and what the analyser makes.
  return name.ends_with("Stmt") && name != "RawStmt" && name != "SetOperationStmt" && name != "ReturnStmt" &&
         name != "PLAssignStmt";
}

Kind kind_of(const Message& statement) {
  const Row* row = find_row(statement.descriptor);
  if (row == nullptr) return named("unknown", Level::admin);
  const char* const name = row->name;
  const Level level = row->level;
  if (const auto* copy = as<PgQuery__CopyStmt>(&statement, pg_query__copy_stmt__descriptor))
    return copy_kind(*copy);
  if (const auto* s = as<PgQuery__TransactionStmt>(&statement, pg_query__transaction_stmt__descriptor)) {
    return transaction_kind(*s);
  }
  if (const auto* s = as<PgQuery__SelectStmt>(&statement, pg_query__select_stmt__descriptor)) {
    if (s->into_clause != nullptr) return named("select_into", Level::ddl);
    return named(s->n_values_lists > 0 ? "values" : name, level);
  }
  if (const auto* s = as<PgQuery__VariableSetStmt>(&statement, pg_query__variable_set_stmt__descriptor)) {
    const bool resets = s->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET ||
                        s->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL;
    return named(resets ? "reset" : name, level);
  }
  if (const auto* s = as<PgQuery__FetchStmt>(&statement, pg_query__fetch_stmt__descriptor)) {
    return named(s->ismove ? "move" : name, level);
  }
  if (const auto* s = as<PgQuery__VacuumStmt>(&statement, pg_query__vacuum_stmt__descriptor)) {
    return named(s->is_vacuumcmd ? "vacuum" : "analyze", level);
  }
  if (const auto* s = as<PgQuery__GrantStmt>(&statement, pg_query__grant_stmt__descriptor)) {
    return named(s->is_grant ? "grant" : "revoke", level);
  }
  if (const auto* s = as<PgQuery__GrantRoleStmt>(&statement, pg_query__grant_role_stmt__descriptor)) {
    return named(s->is_grant ? "grant" : "revoke", level);
  }
  if (const auto* s =
          as<PgQuery__CreateTableAsStmt>(&statement, pg_query__create_table_as_stmt__descriptor)) {
    return named(s->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW ? "create_materialized_view" : name,
                 level);
  }
  const auto by_object = [&](PgQuery__ObjectType type) {
    return named(std::string(name) + "_" + object_name(type),
                 is_for_administrators(type) ? Level::admin : level);
  };
  if (const auto* s = as<PgQuery__DropStmt>(&statement, pg_query__drop_stmt__descriptor)) {
    return by_object(s->remove_type);
  }
  if (const auto* s = as<PgQuery__DefineStmt>(&statement, pg_query__define_stmt__descriptor)) {
    return by_object(s->kind);
  }
  if (const auto* s = as<PgQuery__AlterTableStmt>(&statement, pg_query__alter_table_stmt__descriptor)) {
    return by_object(s->objtype);
  }
  if (const auto* s = as<PgQuery__RenameStmt>(&statement, pg_query__rename_stmt__descriptor)) {
    // The relation's type is set only where a part of it is renamed.
    const bool is_column = s->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN;
    return by_object(is_column ? s->relation_type : s->rename_type);
  }
  if (const auto* s =
          as<PgQuery__AlterObjectSchemaStmt>(&statement, pg_query__alter_object_schema_stmt__descriptor)) {
    return by_object(s->object_type);
  }
  if (const auto* s =
          as<PgQuery__AlterObjectDependsStmt>(&statement, pg_query__alter_object_depends_stmt__descriptor)) {
    return by_object(s->object_type);
  }
  return named(name, level);
}

std::vector<Kind> further_kinds_of(const Message& statement) {
  std::vector<Kind> kinds;
  const auto of_object = [&](const char* verb, PgQuery__ObjectType type, Level level) {
    if (type == PG_QUERY__OBJECT_TYPE__OBJECT_ROUTINE) {
      for (const char* object : {"function", "procedure"})
        kinds.push_back(named(std::string(verb) + "_" + object, level));
    } else {
      kinds.push_back(named(std::string(verb) + "_" + object_name(type), level));
    }
  };
  const auto is_routine = [](PgQuery__ObjectType type) {
    return type == PG_QUERY__OBJECT_TYPE__OBJECT_ROUTINE;
  };
  if (const auto* s = as<PgQuery__AlterOwnerStmt>(&statement, pg_query__alter_owner_stmt__descriptor)) {
    of_object("alter", s->object_type, Level::admin);
  } else if (const auto* drop = as<PgQuery__DropStmt>(&statement, pg_query__drop_stmt__descriptor)) {
    if (is_routine(drop->remove_type)) of_object("drop", drop->remove_type, Level::ddl);
  } else if (const auto* rename = as<PgQuery__RenameStmt>(&statement, pg_query__rename_stmt__descriptor)) {
    if (is_routine(rename->rename_type)) of_object("alter", rename->rename_type, Level::ddl);
  } else if (const auto* move = as<PgQuery__AlterObjectSchemaStmt>(
                 &statement, pg_query__alter_object_schema_stmt__descriptor)) {
    if (is_routine(move->object_type)) of_object("alter", move->object_type, Level::ddl);
  } else if (const auto* depends = as<PgQuery__AlterObjectDependsStmt>(
                 &statement, pg_query__alter_object_depends_stmt__descriptor)) {
    if (is_routine(depends->object_type)) of_object("alter", depends->object_type, Level::ddl);
  } else if (const auto* alter =
                 as<PgQuery__AlterFunctionStmt>(&statement, pg_query__alter_function_stmt__descriptor)) {
    if (alter->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE)
      kinds.push_back(named("alter_procedure", Level::ddl));
    if (is_routine(alter->objtype)) of_object("alter", alter->objtype, Level::ddl);
  }
  return kinds;
}

}  // namespace ringfence::sql
