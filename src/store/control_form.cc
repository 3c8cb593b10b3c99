#include "control_form.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control_sql.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/uuid.h"

namespace ringfence::store {

using model::Field;
using model::FieldKind;
using model::Json;
using model::Noun;

namespace {

bool is_id(const Json& value) { return value.is_string() && parse_uuid(value.get_ref<const std::string&>()); }

bool has_all(const Json& body, std::initializer_list<const char*> names, bool (*fits)(const Json&)) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) {
    const auto found = body.find(name);
    return found != body.end() && fits(*found);
  });
}

bool is_text(const Json& value) { return value.is_string(); }
bool is_whole(const Json& value) { return value.is_number_integer(); }

bool fits(const Field& field, const Json& value) {
  const auto all = [&value](bool (*is_one)(const Json&)) {
    return std::all_of(value.begin(), value.end(), is_one);
  };
  switch (field.kind) {
    case FieldKind::text:
    case FieldKind::time: return value.is_null() || value.is_string();
    case FieldKind::boolean: return value.is_boolean();
    case FieldKind::integer: return value.is_null() || value.is_number_integer();
    case FieldKind::texts:
      return (field.is_nullable && value.is_null()) || (value.is_array() && all(is_text));
    case FieldKind::reference: return value.is_null() || is_id(value);
    case FieldKind::references: return value.is_array() && all(is_id);
    case FieldKind::labels: return value.is_object() && all(is_text);
    case FieldKind::objects: {
      const auto is_one = [&field](const Json& one) {
        return one.is_object() &&
               std::all_of(field.parts.begin(), field.parts.end(), [&one](const Field& part) {
                 const auto found = one.find(part.name);
                 return found != one.end() && fits(part, *found);
               });
      };
      return value.is_array() && std::all_of(value.begin(), value.end(), is_one);
    }
  }
  return false;
}

std::optional<Json> object_in(ByteView text) {
  Json body = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!body.is_object()) return std::nullopt;
  return body;
}

}  // namespace

std::optional<Json> record_in(const Noun& noun, ByteView text) {
  auto body = object_in(text);
  if (!body || !has_all(*body, {"id"}, is_id)) return std::nullopt;
  if (!has_all(*body, {"number", "version", "revision"}, is_whole)) return std::nullopt;
  if (!has_all(*body, {"created_at", "created_by", "updated_at", "updated_by"}, is_text)) return std::nullopt;
  for (const Field& field : noun.fields) {
    if (!has_column(field) && !has_links(field)) continue;
    const auto found = body->find(std::string(field.name));
    if (found == body->end() || !fits(field, *found)) return std::nullopt;
    if (field.name == "name" && !found->is_string()) return std::nullopt;
  }
  return body;
}

std::optional<Json> tombstone_in(ByteView text) {
  auto body = object_in(text);
  const bool is_one = body && has_all(*body, {"id"}, is_id) &&
                      has_all(*body, {"version", "revision"}, is_whole) &&
                      has_all(*body, {"deleted_at", "deleted_by"}, is_text);
  return is_one ? std::move(body) : std::nullopt;
}

std::vector<Tombstone> stones_in(const Rows& rows) {
  std::vector<Tombstone> out;
  for (int i = 0; i < rows.size(); ++i) {
    const Noun* noun = model::find_noun(rows.text(i, 0));
    auto body = tombstone_in(rows.get(i, 1));
    if (noun != nullptr && body)
      out.push_back({noun, std::move(*body), rows.text(i, 2), bytes_of_hex(rows.get(i, 3))});
  }
  return out;
}

}  // namespace ringfence::store
