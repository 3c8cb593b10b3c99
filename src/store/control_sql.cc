#include "control_sql.h"

#include <algorithm>
#include <vector>

#include "ringfence/store/connection.h"

namespace ringfence::store {

namespace {

using model::Exposure;
using model::Field;
using model::FieldKind;
using model::Noun;

// Of every table, in the order of the migrations.
constexpr const char* own_columns[] = {"id",         "number",     "version",    "revision", "created_at",
                                       "created_by", "updated_at", "updated_by", "key_id",   "mac"};
// What may change of them.
constexpr const char* changing_columns[] = {"version",    "revision", "updated_at",
                                            "updated_by", "key_id",   "mac"};

// More than any record has.
constexpr int body_characters_max = 1 << 20;

std::string column_list(const Noun& noun) {
  std::string out;
  for (const char* column : own_columns) out += (out.empty() ? "" : ", ") + std::string(column);
  for (const Field& field : noun.fields) {
    if (has_column(field)) out += ", " + column_of(field);
  }
  return out;
}

std::string json_pair(std::string_view name, const std::string& expression) {
  return ", " + quote_literal(name) + ", " + expression;
}

std::string json_value(const Noun& noun, const Field& field) {
  if (has_links(field)) {
    return "coalesce((SELECT jsonb_agg(l.other ORDER BY l.other) FROM " + links_of(noun, field) +
           " l WHERE l.owner = t.id), '[]'::jsonb)";
  }
  const std::string column = "t." + column_of(field);
  return field.kind == FieldKind::time ? time_text(column) : column;
}

}  // namespace

std::string table_name_of(const Noun& noun) {
  std::string out(noun.plural);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

std::string table_of(const Noun& noun) { return std::string(control_schema) + "." + table_name_of(noun); }

std::string links_of(const Noun& noun, const Field& field) {
  return table_of(noun) + "_" + std::string(field.name);
}

bool has_links(const Field& field) { return field.kind == FieldKind::references; }

bool has_column(const Field& field) {
  return !has_links(field) && field.exposure != Exposure::write_only && field.exposure != Exposure::observed;
}

std::string column_of(const Field& field) { return quote_identifier(field.name); }

std::string time_text(const std::string& expression) {
  return "to_char(" + expression + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
}

std::string bounded_text(const std::string& json) {
  return "left(" + json + "::text, " + std::to_string(body_characters_max) + ")";
}

std::string select_of(const Noun& noun, const std::string& more) {
  std::string body =
      "jsonb_build_object('id', t.id, 'number', t.number, 'version', t.version, 'revision', t.revision";
  for (const char* time : {"created_at", "updated_at"})
    body += json_pair(time, time_text(std::string("t.") + time));
  body += ", 'created_by', t.created_by, 'updated_by', t.updated_by)";
  // A function takes 100 arguments at most: the fields are an object of their own.
  std::string fields;
  for (const Field& field : noun.fields) {
    if (has_column(field) || has_links(field)) fields += json_pair(field.name, json_value(noun, field));
  }
  if (!fields.empty()) body += " || jsonb_build_object(" + fields.substr(2) + ")";
  return "SELECT " + bounded_text("(" + body + ")") + ", t.key_id, encode(t.mac, 'hex')" + more + " FROM " +
         table_of(noun) + " t";
}

std::string stone_select(const std::string& more) {
  return "SELECT noun, " +
         bounded_text(
             "jsonb_build_object('id', id, 'version', version, 'revision', revision, 'deleted_at', " +
             time_text("deleted_at") + ", 'deleted_by', deleted_by)") +
         ", key_id, encode(mac, 'hex')" + more + " FROM ringfence_control.tombstones";
}

std::string insert_of(const Noun& noun) {
  const std::string columns = column_list(noun);
  return "INSERT INTO " + table_of(noun) + " (" + columns + ") SELECT " + columns +
         " FROM jsonb_populate_record(NULL::" + table_of(noun) + ", $1::jsonb)";
}

std::string update_of(const Noun& noun) {
  std::string set;
  const auto add = [&](const std::string& column) {
    set += (set.empty() ? "" : ", ") + column + " = r." + column;
  };
  for (const char* column : changing_columns) add(column);
  for (const Field& field : noun.fields) {
    if (has_column(field) && !field.is_fixed) add(column_of(field));
  }
  return "UPDATE " + table_of(noun) + " t SET " + set +
         " FROM jsonb_populate_record(NULL::" + table_of(noun) + ", $1::jsonb) r WHERE t.id = $2::uuid";
}

}  // namespace ringfence::store
