// What a statement touches without naming it: all relations of a schema or of the database, and sequences,
// which functions are told of in a string.
#include <algorithm>
#include <optional>

#include "constants.h"
#include "walk.h"

namespace ringfence::sql {

namespace {

constexpr std::string_view spaces = " \t\n\r\f\v";

// The parts of a name as the server reads one in a string: `a.b`, `"A".b`. Nothing where it reads none.
std::optional<std::vector<std::string>> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  const auto skip_spaces = [&] { text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size())); };
  for (;;) {
    skip_spaces();
    std::string part;
    if (text.starts_with('"')) {
      size_t at = 1;
      for (; at < text.size() && (text[at] != '"' || text.substr(at + 1).starts_with('"')); ++at) {
        part += text[at];
        if (text[at] == '"') ++at;
      }
      if (at >= text.size()) return std::nullopt;
      text.remove_prefix(at + 1);
    } else {
      const std::string_view word = text.substr(0, text.find_first_of(". \t\n\r\f\v\""));
      part = lower(word);
      text.remove_prefix(word.size());
    }
    if (part.empty()) return std::nullopt;
    parts.push_back(std::move(part));
    skip_spaces();
    if (text.empty()) return parts;
    if (text[0] != '.' || parts.size() == 3) return std::nullopt;
    text.remove_prefix(1);
  }
}

// `pg_get_serial_sequence('table', 'column')` is a sequence of the table's.
const PgQuery__Node* table_of_serial(const PgQuery__Node* argument) {
  const Message* message = unwrap(argument);
  while (const auto* cast = as<PgQuery__TypeCast>(message, pg_query__type_cast__descriptor))
    message = unwrap(cast->arg);
  const auto* call = as<PgQuery__FuncCall>(message, pg_query__func_call__descriptor);
  if (call == nullptr || call->n_args != 2) return nullptr;
  return qualified(call->funcname, call->n_funcname).name == "pg_get_serial_sequence" ? call->args[0]
                                                                                      : nullptr;
}

}  // namespace

void Walk::add_every_relation(const Work& work, std::string_view schema) {
  RelationUse use;
  use.schema = schema;
  use.at = work.at;
  use.is_written = true;
  use.is_every = true;
  facts_.reached.push_back(std::move(use));
}

void Walk::add_schemas(const Work& work, PgQuery__Node* const* names, size_t count) {
  for (size_t i = 0; i < count; ++i) add_every_relation(work, text_of(unwrap(names[i])));
}

// Without a constant it may be any.
void Walk::add_sequence(const Work& work, std::string_view function, const PgQuery__Node* argument) {
  const PgQuery__Node* table = table_of_serial(argument);
  const auto text = constant_text(unwrap(table != nullptr ? table : argument));
  const auto parts = text ? parts_of(*text) : std::nullopt;
  facts_.is_shape_cacheable = false;
  if (!parts) return add_every_relation(work, "");
  RelationUse use;
  use.name = parts->back();
  if (parts->size() >= 2) use.schema = (*parts)[parts->size() - 2];
  if (parts->size() >= 3) use.catalog = parts->front();
  use.at = work.at;
  use.is_written = function != "currval";
  facts_.reached.push_back(std::move(use));
}

void Walk::on_rename(const Work& work) {
  const auto& rename = *reinterpret_cast<const PgQuery__RenameStmt*>(work.message);
  if (rename.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) add_every_relation(work, rename.subname);
  push_children(work);
}

void Walk::on_owner(const Work& work) {
  const auto& owner = *reinterpret_cast<const PgQuery__AlterOwnerStmt*>(work.message);
  if (owner.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) add_schemas(work, &owner.object, 1);
  push_children(work);
}

void Walk::on_grant(const Work& work) {
  const auto& grant = *reinterpret_cast<const PgQuery__GrantStmt*>(work.message);
  const bool is_of_relations = grant.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ||
                               grant.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE;
  if (is_of_relations && grant.targtype == PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_ALL_IN_SCHEMA) {
    add_schemas(work, grant.objects, grant.n_objects);
  }
  push_children(work);
}

void Walk::on_reindex(const Work& work) {
  const auto& reindex = *reinterpret_cast<const PgQuery__ReindexStmt*>(work.message);
  if (reindex.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA)
    add_every_relation(work, reindex.name);
  else if (reindex.relation == nullptr) add_every_relation(work, "");
  push_children(work);
}

void Walk::on_vacuum(const Work& work) {
  if (reinterpret_cast<const PgQuery__VacuumStmt*>(work.message)->n_rels == 0) add_every_relation(work, "");
  push_children(work);
}

void Walk::on_cluster(const Work& work) {
  if (reinterpret_cast<const PgQuery__ClusterStmt*>(work.message)->relation == nullptr)
    add_every_relation(work, "");
  push_children(work);
}

void Walk::on_create_publication(const Work& work) {
  if (reinterpret_cast<const PgQuery__CreatePublicationStmt*>(work.message)->for_all_tables)
    add_every_relation(work, "");
  push_children(work);
}

// TABLES IN SCHEMA; CURRENT_SCHEMA may be any.
void Walk::on_publication_object(const Work& work) {
  const auto& object = *reinterpret_cast<const PgQuery__PublicationObjSpec*>(work.message);
  if (object.pubtable == nullptr) add_every_relation(work, object.name);
  push_children(work);
}

// What it makes stands in the local schema.
void Walk::on_import(const Work& work) {
  add_every_relation(work,
                     reinterpret_cast<const PgQuery__ImportForeignSchemaStmt*>(work.message)->local_schema);
}

void Walk::on_every(const Work& work) {
  add_every_relation(work, "");
  push_children(work);
}

}  // namespace ringfence::sql
