#include "ringfence/model/noun.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "nouns/nouns.h"

namespace ringfence::model {

const Field* Noun::find(std::string_view field) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == field; });
  return found == fields.end() ? nullptr : &*found;
}

std::string record_key(const Noun& noun, std::string_view id) {
  return std::string(noun.name) + " " + std::string(id);
}

std::span<const Noun* const> nouns() {
  static const Noun* const all[] = {&user_group_noun,     &role_noun,        &user_noun,   &key_noun,
                                    &target_group_noun,   &target_noun,      &policy_noun, &grant_noun,
                                    &access_request_noun, &request_rule_noun};
  return all;
}

const Noun* find_noun(std::string_view name) {
  for (const Noun* noun : nouns()) {
    if (noun->name == name || noun->plural == name) return noun;
  }
  return nullptr;
}

namespace {

bool is_many(const Field& field) {
  return field.kind == FieldKind::texts || field.kind == FieldKind::references ||
         field.kind == FieldKind::objects;
}

Json default_of(const Field& field) {
  if (!field.default_json.empty()) return Json::parse(field.default_json);
  if (field.is_nullable) return {};
  if (is_many(field)) return Json::array();
  if (field.kind == FieldKind::labels) return Json::object();
  return {};
}

Json normal(const Field& field, const Json& value);

Json normal_objects(const Field& field, const Json& list) {
  Json out = Json::array();
  for (const Json& given : list) {
    Json one = Json::object();
    for (const Field& part : field.parts) {
      const auto found = given.find(part.name);
      one[std::string(part.name)] = found == given.end() ? default_of(part) : normal(part, *found);
    }
    out.push_back(std::move(one));
  }
  return out;
}

// Times in the one form, references in their order; of what has been checked.
Json normal(const Field& field, const Json& value) {
  if (value.is_null()) return default_of(field);
  if (field.kind == FieldKind::references) {
    auto ids = value.get<std::vector<std::string>>();
    std::sort(ids.begin(), ids.end());
    return ids;
  }
  if (field.kind == FieldKind::objects) return normal_objects(field, value);
  return normal_value(field, value);
}

}  // namespace

Json complete(const Noun& noun, const Json& given) {
  Json out = Json::object();
  for (const Field& field : noun.fields) {
    if (field.exposure == Exposure::write_only || field.exposure == Exposure::observed) continue;
    const auto found = given.find(field.name);
    out[std::string(field.name)] = found == given.end() ? default_of(field) : normal(field, *found);
  }
  return out;
}

Json merged(const Noun& noun, const Json& fields, const Json& given) {
  Json out = fields;
  for (const Field& field : noun.fields) {
    if (const auto found = given.find(field.name); found != given.end())
      out[std::string(field.name)] = normal(field, *found);
  }
  return out;
}

Json shown(const Noun& noun, const Json& record) {
  Json out = record;
  for (const Field& field : noun.fields) {
    if (field.exposure == Exposure::hidden || field.exposure == Exposure::write_only)
      out.erase(std::string(field.name));
  }
  return out;
}

}  // namespace ringfence::model
