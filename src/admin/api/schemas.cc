#include "schemas.h"

#include <nlohmann/json.hpp>

#include "pages.h"

namespace ringfence::admin {

using model::Exposure;
using model::Field;
using model::FieldKind;
using model::Json;
using model::Noun;

namespace {

Json given(const Field& field);

Json refer(const std::string& name) { return {{"$ref", "#/components/schemas/" + name}}; }

// Without null.
Json kind_of(const Field& field) {
  switch (field.kind) {
    case FieldKind::boolean: return {{"type", "boolean"}};
    case FieldKind::integer: return {{"type", "integer"}, {"minimum", field.min}, {"maximum", field.max}};
    case FieldKind::time: return {{"type", "string"}, {"format", "date-time"}};
    case FieldKind::labels: return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    case FieldKind::texts:
    case FieldKind::references: {
      Json out = {{"type", "array"}, {"items", {{"type", "string"}}}};
      if (field.max > 0) out["maxItems"] = field.max;
      for (const std::string_view choice : field.choices) out["items"]["enum"].push_back(choice);
      return out;
    }
    case FieldKind::objects: {
      Json properties = Json::object();
      for (const Field& part : field.parts) properties[std::string(part.name)] = given(part);
      return {{"type", "array"},
              {"maxItems", field.max},
              {"items",
               {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}}}};
    }
    case FieldKind::reference: return {{"type", "string"}};
    case FieldKind::text: break;
  }
  Json out = {{"type", "string"}};
  // Bounds are of bytes, which are at least as many as characters.
  if (field.min > 0) out["minLength"] = 1;
  if (field.max > 0) out["maxLength"] = field.max;
  for (const std::string_view choice : field.choices) out["enum"].push_back(choice);
  return out;
}

Json or_null(Json schema) {
  schema["type"] = Json::array({schema["type"], "null"});
  if (schema.contains("enum")) schema["enum"].push_back(nullptr);
  return schema;
}

bool has_own_empty(const Field& field) {
  if (field.is_nullable) return false;
  return field.kind == FieldKind::texts || field.kind == FieldKind::references ||
         field.kind == FieldKind::labels || field.kind == FieldKind::objects;
}

Json shown(const Field& field) {
  const bool is_never_null = field.is_required || !field.default_json.empty() || has_own_empty(field);
  Json out = is_never_null ? kind_of(field) : or_null(kind_of(field));
  out["description"] = field.description;
  return out;
}

Json given(const Field& field) {
  Json out = field.is_required ? kind_of(field) : or_null(kind_of(field));
  out["description"] = field.description;
  if (!field.of.empty())
    out["description"] = std::string(field.description) + " Names, or ids, of records that there are.";
  if (!field.default_json.empty()) out["default"] = Json::parse(field.default_json);
  return out;
}

bool is_given(const Field& field) {
  return field.exposure == Exposure::open || field.exposure == Exposure::write_only;
}
bool is_shown(const Field& field) {
  return field.exposure == Exposure::open || field.exposure == Exposure::read_only ||
         field.exposure == Exposure::observed;
}

Json object(Json properties, Json required) {
  Json out = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

Json record_of(const Noun& noun) {
  Json properties = schemas_in_file().at("RecordFrame").at("properties");
  Json required = schemas_in_file().at("RecordFrame").at("required");
  for (const Field& field : noun.fields) {
    if (!is_shown(field)) continue;
    properties[std::string(field.name)] = shown(field);
    required.push_back(field.name);
  }
  if (noun.name == "key")
    properties["key"] = {{"type", "string"},
                         {"description", "The key itself; only in the answer that made it."}};
  return object(std::move(properties), std::move(required));
}

Json new_record_of(const Noun& noun) {
  Json properties = Json::object(), required = Json::array();
  for (const Field& field : noun.fields) {
    if (!is_given(field)) continue;
    properties[std::string(field.name)] = given(field);
    if (field.is_required) required.push_back(field.name);
  }
  return object(std::move(properties), std::move(required));
}

Json change_of(const Noun& noun) {
  Json properties = Json::object();
  for (const Field& field : noun.fields) {
    if (!is_given(field) || field.is_fixed) continue;
    properties[std::string(field.name)] = given(field);
    properties[std::string(field.name)].erase("default");
  }
  return object(std::move(properties), Json::array());
}

Json list_of(const std::string& name) {
  return object({{"items", {{"type", "array"}, {"items", refer(name)}}},
                 {"next_cursor", {{"type", {"string", "null"}}, {"description", "null: the last page."}}}},
                {"items", "next_cursor"});
}

}  // namespace

std::string schema_name(const Noun& noun) {
  std::string out;
  bool begins = true;
  for (const char c : noun.name) {
    if (c != '_') out += begins ? static_cast<char>(c - 'a' + 'A') : c;
    begins = c == '_';
  }
  return out;
}

Json schemas() {
  Json out = schemas_in_file();
  out.erase("RecordFrame");
  for (const Noun* noun : model::nouns()) {
    const std::string name = schema_name(*noun);
    out[name] = record_of(*noun);
    out["New" + name] = new_record_of(*noun);
    if (!noun->is_request) out[name + "Change"] = change_of(*noun);
    out[name + "List"] = list_of(name);
  }
  for (const Noun* form : {&model::decision_form(), &model::break_glass_form()})
    out[schema_name(*form)] = new_record_of(*form);
  return out;
}

}  // namespace ringfence::admin
