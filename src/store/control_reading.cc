// Lists page by page, and what has changed since a node last looked.
#include "control_form.h"
#include "control_sql.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"
#include "ringfence/store/control_records.h"

namespace ringfence::store {

using model::Field;
using model::FieldKind;
using model::Json;
using model::Noun;

namespace {

// Conditions and their parameters.
class Where {
 public:
  std::string bind(std::string value) {
    values_.push_back(std::move(value));
    return "$" + std::to_string(values_.size());
  }
  void add(const std::string& condition) { text_ += (text_.empty() ? " WHERE " : " AND ") + condition; }
  const std::string& text() const { return text_; }
  std::vector<Param> params() const { return {values_.begin(), values_.end()}; }

 private:
  std::string text_;
  std::vector<std::string> values_;
};

// Whether the record's field refers to the one of this id, or of this name: of the store, or of a
// configuration.
std::string refers_to(const Noun& noun, const Field& field, const std::string& given, bool is_id) {
  const std::string column = "t." + column_of(field);
  const std::string others = table_of(*model::find_noun(field.of));
  if (!has_links(field)) {
    if (is_id) return column + " = " + given + "::uuid";
    const std::string stored = column + " = (SELECT o.id FROM " + others + " o WHERE o.name = " + given + ")";
    if (field.declared_names.empty()) return stored;
    return "(" + stored + " OR t." + quote_identifier(field.declared_names) + " = " + given + ")";
  }
  const std::string links = links_of(noun, field);
  if (is_id)
    return "EXISTS (SELECT FROM " + links + " l WHERE l.owner = t.id AND l.other = " + given + "::uuid)";
  const std::string stored = "EXISTS (SELECT FROM " + links + " l JOIN " + others +
                             " o ON o.id = l.other WHERE l.owner = t.id AND o.name = " + given + ")";
  if (field.declared_names.empty()) return stored;
  return "(" + stored + " OR " + given + " = ANY (t." + quote_identifier(field.declared_names) + "))";
}

void add_filter(Where& where, const Noun& noun, const std::string& name, const std::string& value) {
  const Field* field = noun.find(name);
  if (field == nullptr) return;
  const std::string column = "t." + column_of(*field);
  const std::string given = where.bind(value);
  if (field->kind == FieldKind::boolean) {
    where.add(column + " = " + given + "::boolean");
  } else if (field->kind == FieldKind::reference || has_links(*field)) {
    where.add(refers_to(noun, *field, given, parse_uuid(value).has_value()));
  } else {
    where.add(column + " = " + given);
  }
}

// What a list is sorted by: never null, so that a page can begin behind any value.
struct SortKey {
  std::string expression;
  std::string type;
  std::string for_null;
};

SortKey sort_key(const Noun& noun, const std::string& sort) {
  if (sort == "created_at") return {"t.created_at", "timestamptz", ""};
  if (sort == "number") return {"t.number", "bigint", ""};
  const Field* field = noun.find(sort);
  if (field == nullptr) return {"t.name", "text", ""};
  const std::string column = "t." + column_of(*field);
  if (field->kind == FieldKind::time)
    return {"coalesce(" + column + ", 'infinity')", "timestamptz", "infinity"};
  if (field->kind == FieldKind::integer) return {"coalesce(" + column + ", 0)", "bigint", "0"};
  return {"coalesce(" + column + ", '')", "text", ""};
}

std::string text_of(const Json& value, const SortKey& key) {
  if (value.is_null()) return key.for_null;
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Result<std::vector<ControlRecord>> ControlRecords::list(const Noun& noun, const ListQuery& query) {
  Where where;
  for (const auto& [name, value] : query.filters) add_filter(where, noun, name, value);
  const SortKey key = sort_key(noun, query.sort);
  if (query.after) {
    const std::string value = where.bind(text_of(query.after->first, key)) + "::text::" + key.type;
    const std::string id = where.bind(query.after->second) + "::uuid";
    where.add("(" + key.expression + ", t.id) " + (query.is_descending ? "<" : ">") + " (" + value + ", " +
              id + ")");
  }
  const std::string way = query.is_descending ? " DESC" : " ASC";
  return select(noun,
                where.text() + " ORDER BY " + key.expression + way + ", t.id" + way + " LIMIT " +
                    std::to_string(query.limit),
                where.params());
}

Result<ControlRecords::Changes> ControlRecords::changes_since(int64_t revision) {
  Changes out;
  const auto read = [&]() -> Result<void> {
    auto state = connection_.exec(
        "SELECT revision, store_id::text, left(current_key, 64) FROM ringfence_control.state");
    if (!state) return unexpected(std::move(state.error()));
    if (state->size() != 1) return fail(Fault::malformed, "store: ringfence_control.state has no row");
    out.revision = state->integer(0, 0);
    out.store_id = state->text(0, 1);
    out.current_key = state->text(0, 2);
    for (const Noun* noun : model::nouns()) {
      auto some = select(*noun, " WHERE t.revision > $1::bigint ORDER BY t.revision, t.id",
                         {std::to_string(revision)});
      if (!some) return unexpected(std::move(some.error()));
      for (ControlRecord& record : *some) out.records.push_back(std::move(record));
    }
    auto stones = connection_.exec_params(
        stone_select() + " WHERE revision > $1::bigint ORDER BY revision, id", {std::to_string(revision)});
    if (!stones) return unexpected(std::move(stones.error()));
    out.stones = stones_in(*stones);
    return {};
  };
  auto begun = connection_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun) return unexpected(std::move(begun.error()));
  auto done = read();
  roll_back();
  if (!done) return unexpected(std::move(done.error()));
  return out;
}

Result<void> ControlRecords::bound(int statement_s) {
  auto done =
      connection_.exec("SET synchronous_commit = on; SET lock_timeout = '5s'; SET statement_timeout = '" +
                       std::to_string(statement_s) + "s'");
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

Result<void> ControlRecords::listen() {
  auto done = connection_.exec("LISTEN ringfence_control");
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

}  // namespace ringfence::store
