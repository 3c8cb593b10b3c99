#include "ringfence/store/key_moves.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control_form.h"
#include "control_sql.h"
#include "ringfence/base/hex.h"

namespace ringfence::store {

using model::Field;
using model::Json;
using model::Noun;

namespace {

constexpr const char* first_id = "00000000-0000-0000-0000-000000000000";

// Fields that keep "<key id>:<box>".
std::vector<const Field*> sealed_fields(const Noun& noun) {
  std::vector<const Field*> out;
  for (const Field& field : noun.fields) {
    if (field.exposure == model::Exposure::hidden && field.name.starts_with("sealed_")) out.push_back(&field);
  }
  return out;
}

std::string text_array(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) out += (out.size() > 1 ? ",\"" : "\"") + value + "\"";
  return out + "}";
}

Result<void> done(Result<Rows> rows) {
  if (!rows) return unexpected(std::move(rows.error()));
  return {};
}

}  // namespace

Result<void> KeyMoves::set_current_key(const std::string& key_id) {
  return done(connection_.exec_params("UPDATE ringfence_control.state SET current_key = $1", {key_id}));
}

Result<void> KeyMoves::begin(const KeyRotation& rotation) {
  return done(connection_.exec_params(
      "INSERT INTO ringfence_control.key_rotations (id, to_key, node, started_by, total) "
      "VALUES ($1::uuid, $2, $3, $4, $5::bigint)",
      {rotation.id, rotation.to_key, rotation.node, rotation.started_by, std::to_string(rotation.total)}));
}

Result<void> KeyMoves::keep(const KeyRotation& rotation) {
  const std::string moved = std::to_string(rotation.moved), left_out = std::to_string(rotation.left_out);
  return done(connection_.exec_params(
      "UPDATE ringfence_control.key_rotations SET moved = $2::bigint, left_out = $3::bigint, state = $4, "
      "total = greatest(total, $2::bigint + $3::bigint), message = nullif($5, ''), node = $6, "
      "ended_at = CASE WHEN $4 = 'running' THEN NULL ELSE now() END WHERE id = $1::uuid",
      {rotation.id, moved, left_out, rotation.state, rotation.message, rotation.node}));
}

Result<KeyRotation> KeyMoves::latest() {
  auto rows = connection_.exec(
      "SELECT id::text, to_key, node, started_by, " + time_text("started_at") +
      ", state, total, moved, left_out, coalesce(" + time_text("ended_at") +
      ", ''), coalesce(message, '') FROM ringfence_control.key_rotations ORDER BY started_at DESC LIMIT 1");
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() == 0) return KeyRotation();
  return KeyRotation{rows->text(0, 0),    rows->text(0, 1), rows->text(0, 2),    rows->text(0, 3),
                     rows->text(0, 4),    rows->text(0, 5), rows->integer(0, 6), rows->integer(0, 7),
                     rows->integer(0, 8), rows->text(0, 9), rows->text(0, 10)};
}

Result<std::vector<KeyUse>> KeyMoves::uses() {
  std::string sql;
  const auto add = [&](const std::string& key, const char* kind, const std::string& from) {
    sql += (sql.empty() ? "" : " UNION ALL ") + std::string("SELECT ") + key + " AS key, " + kind +
           " AS kind FROM " + from;
  };
  for (const Noun* noun : model::nouns()) {
    add("key_id", "1", table_of(*noun));
    for (const Field* field : sealed_fields(*noun)) {
      const std::string column = column_of(*field);
      add("split_part(" + column + ", ':', 1)", "3", table_of(*noun) + " WHERE " + column + " IS NOT NULL");
    }
  }
  add("key_id", "2", "ringfence_control.tombstones");
  auto rows = connection_.exec(
      "SELECT left(key, 64), count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 2), "
      "count(*) FILTER (WHERE kind = 3) FROM (" +
      sql + ") AS all_rows GROUP BY key ORDER BY key LIMIT 1000");
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<KeyUse> out;
  for (int i = 0; i < rows->size(); ++i)
    out.push_back({rows->text(i, 0), rows->integer(i, 1), rows->integer(i, 2), rows->integer(i, 3)});
  return out;
}

Result<int64_t> KeyMoves::count_other(const std::string& key_id) {
  std::string sql = "SELECT (SELECT count(*) FROM ringfence_control.tombstones WHERE key_id <> $1)";
  for (const Noun* noun : model::nouns())
    sql += " + (SELECT count(*) FROM " + table_of(*noun) + " WHERE key_id <> $1)";
  auto rows = connection_.exec_params(sql, {key_id});
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->integer(0, 0);
}

Result<KeyMoves::Page<ControlRecord>> KeyMoves::others(const Noun& noun, const std::string& key_id,
                                                       const std::string& after, int limit) {
  auto rows = connection_.exec_params(select_of(noun, ", t.id::text") +
                                          " WHERE t.key_id <> $1 AND t.id > $2::uuid ORDER BY t.id LIMIT " +
                                          std::to_string(limit),
                                      {key_id, after.empty() ? first_id : after.c_str()});
  if (!rows) return unexpected(std::move(rows.error()));
  Page<ControlRecord> out;
  out.size = rows->size();
  for (int i = 0; i < rows->size(); ++i) {
    auto body = record_in(noun, rows->get(i, 0));
    if (body) out.rows.push_back({&noun, std::move(*body), rows->text(i, 1), bytes_of_hex(rows->get(i, 2))});
  }
  if (out.size == limit) out.after = rows->text(limit - 1, 3);
  return out;
}

Result<KeyMoves::Page<Tombstone>> KeyMoves::other_stones(const std::string& key_id, const std::string& after,
                                                         int limit) {
  const size_t slash = after.rfind('/');  // An id has none.
  const std::string noun = after.substr(0, std::min(slash, after.size()));
  const std::string id = slash == std::string::npos ? first_id : after.substr(slash + 1);
  auto rows = connection_.exec_params(stone_select(", noun || '/' || id") +
                                          " WHERE key_id <> $1 AND (noun COLLATE \"C\", id) > ($2, $3::uuid) "
                                          "ORDER BY noun COLLATE \"C\", id LIMIT " +
                                          std::to_string(limit),
                                      {key_id, noun, id});
  if (!rows) return unexpected(std::move(rows.error()));
  Page<Tombstone> out;
  out.size = rows->size();
  out.rows = stones_in(*rows);
  if (out.size == limit) out.after = rows->text(limit - 1, 4);
  return out;
}

Result<void> KeyMoves::move(const ControlRecord& record) {
  std::string set = "key_id = $1, mac = $2";
  std::vector<std::string> sealed;  // Reserved: parameters are views.
  const std::vector<const Field*> fields = sealed_fields(*record.noun);
  sealed.reserve(fields.size());
  const std::string id = record.id(), version = std::to_string(record.version());
  std::vector<Param> params = {record.key_id, Param::bytes(record.mac), id, version};
  for (const Field* field : fields) {
    const Json& value = record.body.at(std::string(field->name));
    if (!value.is_string()) continue;
    sealed.push_back(value.get<std::string>());
    params.emplace_back(sealed.back());
    set += ", " + column_of(*field) + " = $" + std::to_string(params.size());
  }
  return done(connection_.exec_params(
      "UPDATE " + table_of(*record.noun) + " SET " + set + " WHERE id = $3::uuid AND version = $4::bigint",
      params));
}

Result<void> KeyMoves::move(const Tombstone& stone) {
  const std::string id = stone.body.at("id").get<std::string>();
  return done(connection_.exec_params(
      "UPDATE ringfence_control.tombstones SET key_id = $1, mac = $2 WHERE noun = $3 AND id = $4::uuid",
      {stone.key_id, Param::bytes(stone.mac), std::string_view(stone.noun->name), id}));
}

Result<void> KeyMoves::announce(const std::string& node, const std::vector<std::string>& key_ids) {
  return done(connection_.exec_params(
      "INSERT INTO ringfence_control.key_holders (node, key_ids) VALUES ($1, $2::text[]) "
      "ON CONFLICT (node) DO UPDATE SET key_ids = excluded.key_ids, seen_at = now()",
      {node, text_array(key_ids)}));
}

Result<std::vector<std::string>> KeyMoves::nodes_without(const std::string& key_id, int within_s) {
  auto rows = connection_.exec_params(
      "SELECT left(node, 256) FROM ringfence_control.key_holders WHERE NOT key_ids @> ARRAY[$1] "
      "AND seen_at > now() - make_interval(secs => $2::int) ORDER BY node LIMIT 100",
      {key_id, std::to_string(within_s)});
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<std::string> out;
  for (int i = 0; i < rows->size(); ++i) out.push_back(rows->text(i, 0));
  return out;
}

Result<bool> KeyMoves::is_there(const std::string& node, int within_s) {
  auto rows = connection_.exec_params(
      "SELECT FROM ringfence_control.key_holders WHERE node = $1 "
      "AND seen_at > now() - make_interval(secs => $2::int)",
      {node, std::to_string(within_s)});
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->size() > 0;
}

}  // namespace ringfence::store
