// What is wrong with the fields that somebody gave.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "nouns/nouns.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/model/noun.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::model {

namespace {

constexpr size_t item_bytes_max = 1'000;
constexpr size_t defects_max = 100;  // More of them help nobody.

std::string bounds(const Field& field) {
  return std::to_string(field.min) + " to " + std::to_string(field.max);
}

std::string check_text(const Field& field, std::string_view text) {
  const bool has_lines = field.check == check_certificates;
  if (!is_valid_text(text) || (!has_lines && has_control(text)))
    return "holds control characters; use text without them";
  if (!field.choices.empty() &&
      std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end()) {
    std::string all;
    for (std::string_view choice : field.choices) all += (all.empty() ? "" : ", ") + std::string(choice);
    return "is \"" + std::string(text_prefix(text, 64)) + "\"; use one of " + all;
  }
  return field.check != nullptr ? field.check(text) : "";
}

std::string check_one(const Field& field, const Json& value) {
  if (!value.is_string()) return "is no text; use a JSON string";
  const auto& text = value.get_ref<const std::string&>();
  const auto size = static_cast<int64_t>(text.size());
  if (size < field.min || size > field.max)
    return "is " + std::to_string(size) + " bytes long; use " + bounds(field);
  return check_text(field, text);
}

void check_many(const Field& field, const Json& value, Defects& out) {
  const std::string name(field.name);
  if (!value.is_array()) {
    out.push_back({name, "is no list; use a JSON array of texts"});
    return;
  }
  if (static_cast<int64_t>(value.size()) > field.max) {
    out.push_back(
        {name, "has " + std::to_string(value.size()) + " entries; use at most " + std::to_string(field.max)});
    return;
  }
  if (static_cast<int64_t>(value.size()) < field.min) {
    out.push_back({name, "has " + std::to_string(value.size()) + " entries; use at least " +
                             std::to_string(field.min)});
    return;
  }
  std::set<std::string_view> seen;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string place = path_of(name, i);
    if (!value[i].is_string()) {
      out.push_back({place, "is no text; use a JSON string"});
      continue;
    }
    const auto& text = value[i].get_ref<const std::string&>();
    if (text.empty() || text.size() > item_bytes_max)
      out.push_back({place, "is " + std::to_string(text.size()) + " bytes long; use 1 to 1000"});
    else if (!seen.insert(text).second) out.push_back({place, "stands twice; keep one"});
    else add_defect(out, place, check_text(field, text));
  }
}

void check_labels(const Field& field, const Json& value, Defects& out) {
  const std::string name(field.name);
  if (!value.is_object()) {
    out.push_back({name, "is no object; use a JSON object whose values are texts"});
    return;
  }
  if (static_cast<int64_t>(value.size()) > field.max)
    out.push_back(
        {name, "has " + std::to_string(value.size()) + " members; use at most " + std::to_string(field.max)});
  for (const auto& [key, text] : value.items()) {
    const std::string place = name + "." + make_valid_text(text_prefix(key, 64));
    if (key.empty() || key.size() > 100 || has_control(key))
      out.push_back({place, "has a name that is none; use 1 to 100 bytes"});
    else if (!text.is_string() || text.get_ref<const std::string&>().size() > item_bytes_max)
      out.push_back({place, "is no text of at most 1000 bytes"});
    else if (has_control(text.get_ref<const std::string&>()))
      out.push_back({place, "holds control characters"});
  }
}

void check_members(std::span<const Field> parts, const Json& given, Defects& out);

void check_objects(const Field& field, const Json& value, Defects& out) {
  const std::string name(field.name);
  if (!value.is_array()) {
    out.push_back({name, "is no list; use a JSON array of objects"});
    return;
  }
  if (static_cast<int64_t>(value.size()) > field.max) {
    out.push_back(
        {name, "has " + std::to_string(value.size()) + " entries; use at most " + std::to_string(field.max)});
    return;
  }
  for (size_t i = 0; i < value.size() && out.size() < defects_max; ++i) {
    Defects wrong;
    if (!value[i].is_object()) wrong.push_back({"", "is no JSON object"});
    else check_members(field.parts, value[i], wrong);
    add_defects(out, path_of(name, i), std::move(wrong));
  }
}

std::string check_time(const Json& value) {
  if (!value.is_string()) return "is no time; write it as \"2026-01-02T03:04:05Z\"";
  auto parsed = parse_rfc3339(value.get_ref<const std::string&>());
  return parsed ? "" : parsed.error().message;
}

void check_value(const Field& field, const Json& value, Defects& out) {
  const std::string name(field.name);
  switch (field.kind) {
    case FieldKind::text: add_defect(out, name, check_one(field, value)); break;
    case FieldKind::boolean:
      if (!value.is_boolean()) out.push_back({name, "is neither true nor false"});
      break;
    case FieldKind::integer:
      if (!value.is_number_integer()) out.push_back({name, "is no whole number; use " + bounds(field)});
      else if (value.get<int64_t>() < field.min || value.get<int64_t>() > field.max)
        out.push_back({name, "is " + std::to_string(value.get<int64_t>()) + "; use " + bounds(field)});
      break;
    case FieldKind::time: add_defect(out, name, check_time(value)); break;
    case FieldKind::texts:
    case FieldKind::references: check_many(field, value, out); break;
    case FieldKind::reference:
      if (!value.is_string() || value.get_ref<const std::string&>().size() > item_bytes_max)
        out.push_back({name, "is no text; use the name or the id of a " + std::string(field.of)});
      break;
    case FieldKind::labels: check_labels(field, value, out); break;
    case FieldKind::objects: check_objects(field, value, out); break;
  }
}

// A member's name may be long and no text that can be shown.
std::string told(const std::string& name) { return make_valid_text(text_prefix(name, 64)); }

void check_members(std::span<const Field> parts, const Json& given, Defects& out) {
  for (const auto& [name, value] : given.items()) {
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const Field& f) { return f.name == name; });
    if (part == parts.end()) out.push_back({told(name), "is no member of such an object; remove it"});
    else if (!value.is_null()) check_value(*part, value, out);
    if (out.size() >= defects_max) return;
  }
}

Defects check_members(const Noun& noun, const Json& given, bool is_new) {
  Defects out;
  if (!given.is_object()) return {{"", "is no JSON object"}};
  for (const auto& [name, value] : given.items()) {
    const Field* field = noun.find(name);
    if (field == nullptr || field->exposure == Exposure::hidden) {
      out.push_back({told(name), "is no field of a " + std::string(noun.name) + "; remove it"});
    } else if (field->exposure == Exposure::read_only || field->exposure == Exposure::observed) {
      out.push_back({name, "is set by the appliance; remove it"});
    } else if (field->is_fixed && !is_new) {
      out.push_back({name, "cannot change; make another " + std::string(noun.name)});
    } else if (value.is_null()) {
      if (field->is_required) out.push_back({name, "is missing; add it"});
    } else {
      check_value(*field, value, out);
    }
    if (out.size() >= defects_max) return out;
  }
  if (!is_new) return out;
  for (const Field& field : noun.fields) {
    if (field.is_required && !given.contains(std::string(field.name)))
      out.push_back({std::string(field.name), "is missing; add it"});
  }
  return out;
}

}  // namespace

Defects check_new(const Noun& noun, const Json& given) { return check_members(noun, given, true); }
Defects check_change(const Noun& noun, const Json& given) { return check_members(noun, given, false); }

Json normal_value(const Field& field, const Json& value) {
  if (field.kind != FieldKind::time) return value;
  return rfc3339(*parse_rfc3339(value.get_ref<const std::string&>()));
}

}  // namespace ringfence::model
