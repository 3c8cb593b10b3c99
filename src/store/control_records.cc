#include "ringfence/store/control_records.h"
#include "ringfence/base/hex.h"

#include "control_form.h"
#include "control_sql.h"

namespace ringfence::store {

using model::Field;
using model::FieldKind;
using model::Json;
using model::Noun;

namespace {

constexpr const char* state_table = "ringfence_control.state";
// A change holds the state's row: nobody waits long for it.
constexpr const char* begin_sql =
    "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10s'; "
    "UPDATE ringfence_control.state SET revision = revision + 1 RETURNING revision, "
    "left(current_key, 64)";

std::string id_list(const std::vector<std::string>& ids) {
  std::string out = "{";
  for (const std::string& id : ids) out += (out.size() > 1 ? "," : "") + id;
  return out + "}";
}

std::string without_schema(const std::string& table) { return table.substr(table.find('.') + 1); }

// The noun in whose table, or in whose links, it stands.
const Noun* noun_of_table(std::string_view table) {
  for (const Noun* noun : model::nouns()) {
    if (table_name_of(*noun) == table) return noun;
    for (const Field& field : noun->fields) {
      if (has_links(field) && without_schema(links_of(*noun, field)) == table) return noun;
    }
  }
  return nullptr;
}

}  // namespace

namespace {

// The one that was asked for. A view or an operator of the store's owner may have given another one, with its
// own right code.
Result<std::optional<ControlRecord>> only(const char* field, const Json& wanted,
                                          Result<std::optional<ControlRecord>> found) {
  if (found && *found && (*found)->body.at(field) != wanted) found->reset();
  return found;
}

}  // namespace

// What a constraint's name says: those that PostgreSQL gives.
template <typename T>
Result<T> ControlRecords::refused(const Noun& noun, Error error) {
  refusal_ = {};
  const std::string& state = connection_.sqlstate();
  const std::string& constraint = connection_.constraint_name();
  refusal_.constraint = constraint;
  if (state == "23505") {
    refusal_.kind = Refusal::Kind::taken;
    for (const Field& field : noun.fields) {
      if (constraint == table_name_of(noun) + "_" + std::string(field.name) + "_key")
        refusal_.field = field.name;
    }
  } else if (state == "23503") {
    const Noun* referrer = noun_of_table(connection_.table_name());
    refusal_.kind = is_removal_ ? Refusal::Kind::referred : Refusal::Kind::missing;
    if (referrer != nullptr) refusal_.noun = referrer->name;
  } else if (state == "23514" || state == "23502" || state == "22001" || state.starts_with("22")) {
    refusal_.kind = Refusal::Kind::constraint;
  }
  return unexpected(std::move(error));
}

Result<int64_t> ControlRecords::revision() {
  auto rows = connection_.exec(std::string("SELECT revision FROM ") + state_table);
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() != 1) return fail(Fault::malformed, "store: ringfence_control.state has no row");
  return rows->integer(0, 0);
}

Result<std::vector<ControlRecord>> ControlRecords::select(const Noun& noun, const std::string& behind,
                                                          const std::vector<Param>& params) {
  auto rows = connection_.exec_params(select_of(noun) + behind, params);
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<ControlRecord> out;
  out.reserve(static_cast<size_t>(rows->size()));
  for (int i = 0; i < rows->size(); ++i) {
    auto body = record_in(noun, rows->get(i, 0));
    if (!body) continue;  // Its code would not fit either.
    out.push_back({&noun, std::move(*body), rows->text(i, 1), bytes_of_hex(rows->get(i, 2))});
  }
  return out;
}

Result<std::optional<ControlRecord>> ControlRecords::one(const Noun& noun, const std::string& where,
                                                         const Param& value) {
  auto found = select(noun, " WHERE " + where, {value});
  if (!found) return unexpected(std::move(found.error()));
  if (found->empty()) return std::optional<ControlRecord>();
  return std::optional<ControlRecord>(std::move(found->front()));
}

Result<std::optional<ControlRecord>> ControlRecords::by_id(const Noun& noun, const Uuid& id) {
  return only("id", to_string(id), one(noun, "t.id = $1::uuid", to_string(id)));
}
Result<std::optional<ControlRecord>> ControlRecords::by_name(const Noun& noun, std::string_view name) {
  return only("name", std::string(name), one(noun, "t.name = $1", name));
}
Result<std::optional<ControlRecord>> ControlRecords::by_number(const Noun& noun, int64_t number) {
  return only("number", number, one(noun, "t.number = $1::bigint", std::to_string(number)));
}

Result<std::vector<ControlRecord>> ControlRecords::by_ids(const Noun& noun,
                                                          const std::vector<std::string>& ids) {
  return select(noun, " WHERE t.id = ANY($1::uuid[])", {id_list(ids)});
}

Result<std::vector<ControlRecord>> ControlRecords::by_names(const Noun& noun,
                                                            const std::vector<std::string>& names) {
  return select(noun, " WHERE t.name = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
                {model::canonical_json(Json(names))});
}

// ---------------------------------------------------------------- changes

Result<int64_t> ControlRecords::begin() {
  refusal_ = {};
  is_removal_ = false;
  auto rows = connection_.exec(begin_sql);
  if (!rows) {
    Error error = std::move(rows.error());
    roll_back();
    return unexpected(std::move(error));
  }
  if (rows->size() != 1) {
    roll_back();
    return fail(Fault::malformed, "store: ringfence_control.state has no row");
  }
  revision_ = rows->integer(0, 0);
  current_key_ = rows->text(0, 1);
  return revision_;
}

Result<int64_t> ControlRecords::next_number(const Noun& noun) {
  auto rows = connection_.exec("SELECT nextval('" + table_of(noun) + "_number')");
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->integer(0, 0);
}

Result<void> ControlRecords::write_links(const ControlRecord& record) {
  for (const Field& field : record.noun->fields) {
    if (!has_links(field)) continue;
    const std::string table = links_of(*record.noun, field);
    const std::string wanted =
        id_list(record.body.at(std::string(field.name)).get<std::vector<std::string>>());
    auto gone = connection_.exec_params(
        "DELETE FROM " + table + " WHERE owner = $1::uuid AND other <> ALL($2::uuid[])",
        {record.id(), wanted});
    if (!gone) return refused<void>(*record.noun, std::move(gone.error()));
    auto made = connection_.exec_params("INSERT INTO " + table +
                                            " (owner, other) SELECT $1::uuid, unnest($2::uuid[]) "
                                            "ON CONFLICT DO NOTHING",
                                        {record.id(), wanted});
    if (!made) return refused<void>(*record.noun, std::move(made.error()));
  }
  return {};
}

namespace {

// As jsonb_populate_record takes it.
std::string row_json(const ControlRecord& record) {
  Json row = record.body;
  row["key_id"] = record.key_id;
  row["mac"] = "\\x" + hex_of(record.mac);
  return model::canonical_json(row);
}

}  // namespace

Result<void> ControlRecords::insert(const ControlRecord& record) {
  auto made = connection_.exec_params(insert_of(*record.noun), {row_json(record)});
  if (!made) return refused<void>(*record.noun, std::move(made.error()));
  return write_links(record);
}

Result<void> ControlRecords::update(const ControlRecord& record) {
  auto made = connection_.exec_params(update_of(*record.noun), {row_json(record), record.id()});
  if (!made) return refused<void>(*record.noun, std::move(made.error()));
  if (made->affected() != 1) return fail(Fault::not_found, "store: the record is gone");
  return write_links(record);
}

Result<void> ControlRecords::remove(const Tombstone& stone) {
  const std::string id = stone.body.at("id").get<std::string>();
  is_removal_ = true;
  auto gone = connection_.exec_params("DELETE FROM " + table_of(*stone.noun) + " WHERE id = $1::uuid", {id});
  if (!gone) return refused<void>(*stone.noun, std::move(gone.error()));
  if (gone->affected() != 1) return fail(Fault::not_found, "store: the record is gone");
  return put_stone(stone, "");
}

Result<void> ControlRecords::bury(const Tombstone& stone) {
  is_removal_ = true;
  auto gone = connection_.exec_params("DELETE FROM " + table_of(*stone.noun) + " WHERE id = $1::uuid",
                                      {stone.body.at("id").get<std::string>()});
  if (!gone) return refused<void>(*stone.noun, std::move(gone.error()));
  return put_stone(stone,
                   " ON CONFLICT (noun, id) DO UPDATE SET version = excluded.version, revision = "
                   "excluded.revision, deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by, "
                   "key_id = excluded.key_id, mac = excluded.mac");
}

Result<void> ControlRecords::put_stone(const Tombstone& stone, const std::string& on_conflict) {
  const std::string id = stone.body.at("id").get<std::string>();
  auto put = connection_.exec_params(
      "INSERT INTO ringfence_control.tombstones (noun, id, version, revision, deleted_at, deleted_by, "
      "key_id, mac) "
      "VALUES ($1, $2::uuid, $3::bigint, $4::bigint, $5::timestamptz, $6, $7, $8)" +
          on_conflict,
      {std::string(stone.noun->name), id, std::to_string(stone.body.at("version").get<int64_t>()),
       std::to_string(stone.body.at("revision").get<int64_t>()),
       stone.body.at("deleted_at").get<std::string>(), stone.body.at("deleted_by").get<std::string>(),
       stone.key_id, Param::bytes(stone.mac)});
  if (!put) return refused<void>(*stone.noun, std::move(put.error()));
  return {};
}

Result<void> ControlRecords::commit() {
  auto told = connection_.exec("SELECT pg_notify('ringfence_control', '" + std::to_string(revision_) + "')");
  auto done = told ? connection_.exec("COMMIT") : std::move(told);
  if (done) return {};
  Error error = std::move(done.error());
  roll_back();
  return unexpected(std::move(error));
}

void ControlRecords::roll_back() {
  if (connection_.is_open()) (void)connection_.exec("ROLLBACK");
}

Result<std::optional<ControlRecords::EarlierAnswer>> ControlRecords::earlier_answer(const std::string& actor,
                                                                                    const std::string& key) {
  auto pruned =
      connection_.exec("DELETE FROM ringfence_control.idempotency WHERE made_at < now() - interval '1 day'");
  if (!pruned) return unexpected(std::move(pruned.error()));
  auto rows = connection_.exec_params("SELECT encode(request_digest, 'hex'), " + bounded_text("answer") +
                                          " FROM ringfence_control.idempotency WHERE actor = $1 AND key = $2",
                                      {actor, key});
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() == 0) return std::optional<EarlierAnswer>();
  return std::optional<EarlierAnswer>({bytes_of_hex(rows->get(0, 0)), rows->text(0, 1)});
}

Result<void> ControlRecords::keep_answer(const std::string& actor, const std::string& key,
                                         ByteView request_digest, const std::string& answer) {
  auto put = connection_.exec_params(
      "INSERT INTO ringfence_control.idempotency (actor, key, request_digest, answer) VALUES ($1, $2, $3, "
      "$4::jsonb)",
      {actor, key, Param::bytes(request_digest), answer});
  if (!put) return unexpected(std::move(put.error()));
  return {};
}

}  // namespace ringfence::store
