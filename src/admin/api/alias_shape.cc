#include "alias_shape.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "ringfence/model/declared.h"

namespace ringfence::admin {

using model::Json;
using AliasKind = FieldAlias::Kind;

namespace {

bool takes_place(const FieldAlias& alias) {
  return alias.kind == AliasKind::renamed || alias.kind == AliasKind::turned;
}

// "hosts" of "hosts[0]".
std::string_view base_of(std::string_view path) { return path.substr(0, path.find_first_of("[.")); }

// What a reference is written as: a number, or a text.
std::optional<std::string> reference_text(const Json& value) {
  if (value.is_number_integer()) return std::to_string(value.get<int64_t>());
  if (value.is_string()) return value.get<std::string>();
  return std::nullopt;
}

Json schema_in(const FieldAlias& alias) { return Json::parse(alias.schema); }

Json reference_schema() {
  return {{"type", {"integer", "null"}}, {"description", "The number of the record; null: there is none."}};
}

// The schema's members, by the contract's names.
Json renamed_properties(const Shape& shape, const Json& schema) {
  Json out = Json::object();
  for (const auto& [name, value] : schema.at("properties").items()) {
    const FieldAlias* alias = shape.by_field(name);
    if (alias == nullptr) out[name] = value;
    else out[std::string(alias->alias)] = alias->schema != nullptr ? schema_in(*alias) : value;
  }
  return out;
}

// Names of members that are required, by the contract.
void rename_required(const Shape& shape, Json& schema) {
  if (!schema.contains("required")) return;
  for (Json& name : schema["required"]) name = shape.alias_of(name.get<std::string>());
}

}  // namespace

const FieldAlias* Shape::by_alias(std::string_view alias) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const FieldAlias& one) { return one.alias == alias; });
  return found == fields.end() ? nullptr : &*found;
}

const FieldAlias* Shape::by_field(std::string_view field) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const FieldAlias& one) {
    return takes_place(one) && one.field == field;
  });
  return found == fields.end() ? nullptr : &*found;
}

std::string Shape::alias_of(std::string_view path) const {
  const std::string_view base = base_of(path);
  const FieldAlias* alias = by_field(base);
  if (alias == nullptr) return std::string(path);
  if (alias->kind == AliasKind::turned) return std::string(alias->alias);
  return std::string(alias->alias) + std::string(path.substr(base.size()));
}

GivenBody body_of(const Shape& shape, const Json& given) {
  GivenBody out;
  out.body = Json::object();
  const auto wrong = [&](const std::string& name, std::string message) {
    out.defects.push_back({name, std::move(message)});
  };
  for (const auto& [name, value] : given.items()) {
    const FieldAlias* alias = shape.by_alias(name);
    if (alias == nullptr) {
      // One name for each thing: two could say different things.
      if (const FieldAlias* other = shape.by_field(name))
        wrong(name, "is called " + std::string(other->alias) + " at this path");
      else out.body[name] = value;
      continue;
    }
    const std::string field(alias->field);
    switch (alias->kind) {
      case AliasKind::added: wrong(name, "is set by the appliance; leave it out"); break;
      case AliasKind::renamed: out.body[field] = value; break;
      case AliasKind::turned: {
        if (alias->given == nullptr) {
          wrong(name, "is set by the appliance; leave it out");
          break;
        }
        Result<Json> turned = alias->given(value);
        if (!turned) wrong(name, turned.error().message);
        else if (!turned->is_discarded()) out.body[field] = std::move(*turned);
        break;
      }
      case AliasKind::reference: {
        if (given.contains(field)) wrong(name, "says the same as " + field + "; give one of them");
        else if (value.is_null()) out.body[field] = nullptr;
        else if (auto text = reference_text(value)) out.references.push_back({alias, std::move(*text)});
        else wrong(name, "is neither a number nor a text");
        break;
      }
    }
  }
  return out;
}

namespace {

// The number of a record of a configuration file that the record refers to; it follows from the name.
// Nothing: it is none of a file's.
std::optional<int64_t> declared_number_in(const FieldAlias& alias, const Json& record) {
  const auto name = record.find("declared_" + std::string(alias.field));
  if (name == record.end() || !name->is_string()) return std::nullopt;
  return model::declared_number(model::declared_id(alias.of, name->get<std::string>()));
}

}  // namespace

void add_names(const Shape& shape, const Json& record, NamesByNoun& to) {
  for (const FieldAlias& alias : shape.fields) {
    if (alias.kind != AliasKind::reference || declared_number_in(alias, record)) continue;
    const auto found = record.find(alias.field);
    if (found != record.end() && found->is_string())
      to.emplace(std::string(alias.of), found->get<std::string>());
  }
}

Json shown_as(const Shape& shape, const Json& record, const NumbersByName& numbers) {
  Json out = Json::object();
  for (const auto& [name, value] : record.items()) {
    const FieldAlias* alias = shape.by_field(name);
    if (alias == nullptr) out[name] = value;
    else out[std::string(alias->alias)] = alias->kind == AliasKind::turned ? alias->shown(value) : value;
  }
  for (const FieldAlias& alias : shape.fields) {
    const std::string name(alias.alias);
    if (alias.kind == AliasKind::added) out[name] = alias.made(record);
    if (alias.kind != AliasKind::reference) continue;
    const auto value = record.find(alias.field);
    const auto found = value == record.end() || !value->is_string()
                           ? numbers.end()
                           : numbers.find({std::string(alias.of), value->get<std::string>()});
    out[name] = found == numbers.end() ? Json() : Json(found->second);
    if (const auto number = declared_number_in(alias, record)) out[name] = *number;
  }
  return out;
}

Json shown_schema(const Shape& shape, Json schema) {
  Json properties = renamed_properties(shape, schema);
  rename_required(shape, schema);
  for (const FieldAlias& alias : shape.fields) {
    if (takes_place(alias)) continue;
    properties[std::string(alias.alias)] =
        alias.kind == AliasKind::reference ? reference_schema() : schema_in(alias);
    schema["required"].push_back(alias.alias);
  }
  schema["properties"] = std::move(properties);
  return schema;
}

Json given_schema(const Shape& shape, Json schema) {
  Json properties = renamed_properties(shape, schema);
  rename_required(shape, schema);
  for (const FieldAlias& alias : shape.fields) {
    if (alias.kind != AliasKind::reference || !properties.contains(alias.field)) continue;
    properties[std::string(alias.alias)] = {
        {"type", {"integer", "string", "null"}},
        {"description", "The number, name or id of a record; in place of " + std::string(alias.field) + "."}};
    // One of the two is needed, which the handler says.
    if (schema.contains("required")) {
      Json kept = Json::array();
      for (const Json& name : schema["required"])
        if (name != alias.field) kept.push_back(name);
      schema["required"] = std::move(kept);
      if (schema["required"].empty()) schema.erase("required");
    }
  }
  schema["properties"] = std::move(properties);
  return schema;
}

}  // namespace ringfence::admin
