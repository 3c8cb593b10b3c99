#include "field_text.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "app/config/config_reader.h"
#include "ringfence/base/clock.h"

namespace ringfence::client {

using model::Exposure;
using model::Field;
using model::FieldKind;
using model::Json;
using model::Noun;

namespace {

constexpr uint64_t second_us = 1'000'000;
constexpr uint64_t duration_s_max = uint64_t{100} * 366 * 86'400;

bool can_be_given(const Field& field) {
  return field.exposure == Exposure::open || field.exposure == Exposure::write_only;
}
bool is_list(const Field& field) {
  return field.kind == FieldKind::texts || field.kind == FieldKind::references;
}

std::string article_of(const Noun& noun) {
  std::string name(noun.name);
  std::replace(name.begin(), name.end(), '_', ' ');
  const bool is_vowel = std::string_view("aeio").find(name.front()) != std::string_view::npos;
  return (is_vowel ? "an " : "a ") + name;
}

template <typename Wanted>
Outcome<const Field*> field_named(const Noun& noun, std::string_view name, const char* what, Wanted wanted) {
  const Field* field = noun.find(name);
  if (field != nullptr && wanted(*field)) return field;
  std::vector<std::string> known;
  for (const Field& each : noun.fields)
    if (wanted(each)) known.emplace_back(each.name);
  return failed(Exit::usage, "\"" + std::string(name) + "\" is no " + what + " of " + article_of(noun) +
                                 "; " + app::suggest(name, known));
}

// Name and text around the first "=".
Outcome<std::pair<std::string_view, std::string_view>> parts_of(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return failed(Exit::usage, "\"" + std::string(word) + "\" is no FIELD=VALUE");
  return std::pair(word.substr(0, equals), word.substr(equals + 1));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

Outcome<Json> json_of(std::string_view name, std::string_view text) {
  auto out = model::parse_json(text);
  if (!out) return failed(Exit::usage, std::string(name) + ": is no JSON: " + out.error().message);
  return std::move(*out);
}

Outcome<void> take_label(std::string_view name, const std::string& item, Json& to) {
  const size_t colon = item.find(':');
  if (colon == std::string::npos || colon == 0)
    return failed(Exit::usage, std::string(name) + ": \"" + item + "\" is no KEY:VALUE");
  to[item.substr(0, colon)] = item.substr(colon + 1);
  return {};
}

Outcome<Json> labels_of(std::string_view name, std::string_view text) {
  if (text.starts_with('{')) return json_of(name, text);
  Json out = Json::object();
  for (const std::string& item : split(text)) {
    if (auto taken = take_label(name, item, out); !taken) return passed_on(std::move(taken).error());
  }
  return out;
}

Outcome<Json> integer_of(std::string_view name, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return Json(number);
  return failed(Exit::usage, std::string(name) + ": \"" + std::string(text) + "\" is no whole number");
}

Outcome<Json> boolean_of(std::string_view name, std::string_view text) {
  if (text == "true") return Json(true);
  if (text == "false") return Json(false);
  return failed(Exit::usage, std::string(name) + ": \"" + std::string(text) + "\" is neither true nor false");
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
}

Outcome<Json> time_of(std::string_view name, std::string_view text, uint64_t now_us) {
  if (text.starts_with('+')) {
    auto after = parse_duration_us(text.substr(1));
    if (!after) return failed(after.error().exit, std::string(name) + ": " + after.error().message);
    return Json(rfc3339(now_us + *after));
  }
  return Json(std::string(text) + (is_date(text) ? "T00:00:00Z" : ""));
}

Outcome<Json> value_of(const Field& field, std::string_view text, uint64_t now_us) {
  if (text == "null") return Json();
  switch (field.kind) {
    case FieldKind::boolean: return boolean_of(field.name, text);
    case FieldKind::integer: return integer_of(field.name, text);
    case FieldKind::time: return time_of(field.name, text, now_us);
    case FieldKind::texts:
    case FieldKind::references:
      if (text.starts_with("[\"")) return json_of(field.name, text);
      return Json(split(text));
    case FieldKind::labels: return labels_of(field.name, text);
    case FieldKind::objects: return json_of(field.name, text);
    case FieldKind::text:
    case FieldKind::reference: break;
  }
  return Json(std::string(text));
}

bool is_relative_text(const Field& field, std::string_view text) {
  const bool can_be = is_list(field) || field.kind == FieldKind::labels;
  return can_be && (text.starts_with('+') || text.starts_with('-'));
}

Outcome<FieldText> relative_of(const Field& field, std::string_view text) {
  FieldText out{.field = &field, .is_relative = true};
  for (const std::string& item : split(text)) {
    const bool is_signed = item.size() > 1 && (item.front() == '+' || item.front() == '-');
    if (!is_signed)
      return failed(Exit::usage, std::string(field.name) + ": \"" + item +
                                     "\" has no + or - before it; give it to all entries or to none");
    (item.front() == '+' ? out.added : out.removed).push_back(item.substr(1));
  }
  if (field.kind != FieldKind::labels) return out;
  Json unused = Json::object();
  for (const std::string& item : out.added) {
    if (auto taken = take_label(field.name, item, unused); !taken) return passed_on(std::move(taken).error());
  }
  return out;
}

std::string option_of(const Field& field) {
  std::string out = "--" + std::string(field.name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

Outcome<FieldText> parse_field_text(const Noun& noun, std::string_view word, bool is_change,
                                    uint64_t now_us) {
  auto parts = parts_of(word);
  if (!parts) return passed_on(std::move(parts).error());
  const auto [name, text] = *parts;
  auto field = field_named(noun, name, "field", can_be_given);
  if (!field) return passed_on(std::move(field).error());
  if ((*field)->exposure == Exposure::write_only && text != "null")
    return failed(Exit::usage, "a " + std::string(name) + " on the command line is seen by others; use " +
                                   option_of(**field) + " to be asked, or " + option_of(**field) + "-stdin");
  if (is_relative_text(**field, text)) {
    if (is_change) return relative_of(**field, text);
    return failed(Exit::usage, std::string(name) +
                                   ": a new record has no list for + and -; write the entries "
                                   "without them, or as JSON: [\"+x\"]");
  }
  auto value = value_of(**field, text, now_us);
  if (!value) return passed_on(std::move(value).error());
  return FieldText{.field = *field, .value = std::move(*value)};
}

Json applied(const FieldText& change, const Json& current) {
  if (change.field->kind == FieldKind::labels) {
    Json out = current.is_object() ? current : Json::object();
    for (const std::string& key : change.removed) out.erase(key);
    for (const std::string& item : change.added) {
      const size_t colon = item.find(':');
      out[item.substr(0, colon)] = item.substr(colon + 1);
    }
    return out;
  }
  Json out = Json::array();
  const auto has = [](const auto& list, const Json& one) {
    return std::any_of(list.begin(), list.end(), [&one](const auto& item) { return one == item; });
  };
  for (const Json& item : current.is_array() ? current : Json::array()) {
    if (!has(change.removed, item)) out.push_back(item);
  }
  for (const std::string& item : change.added) {
    if (!has(out, Json(item))) out.push_back(item);
  }
  return out;
}

Outcome<std::pair<std::string, std::string>> parse_filter(const Noun& noun, std::string_view word) {
  auto parts = parts_of(word);
  if (!parts) return passed_on(std::move(parts).error());
  auto field = field_named(noun, parts->first, "filter", [](const Field& each) { return each.is_filter; });
  if (!field) return passed_on(std::move(field).error());
  return std::pair(std::string(parts->first), std::string(parts->second));
}

Outcome<uint64_t> parse_duration_us(std::string_view text) {
  const auto wrong = [&] {
    return failed(Exit::usage,
                  "\"" + std::string(text) + "\" is no duration; write it as 30d, 12h, 90m or 45s");
  };
  if (text.size() < 2) return wrong();
  uint64_t unit_s = 0;
  switch (text.back()) {
    case 's': unit_s = 1; break;
    case 'm': unit_s = 60; break;
    case 'h': unit_s = 3'600; break;
    case 'd': unit_s = 86'400; break;
    default: return wrong();
  }
  uint64_t count = 0;
  const char* last = text.data() + text.size() - 1;
  const auto [end, error] = std::from_chars(text.data(), last, count);
  if (error != std::errc() || end != last || count == 0 || count > duration_s_max / unit_s) return wrong();
  return count * unit_s * second_us;
}

std::vector<std::string> field_words(const Noun& noun, std::string_view verb) {
  std::vector<std::string> out;
  for (const Field& field : noun.fields) {
    const bool is_here = verb == "list" ? field.is_filter
                                        : field.exposure == Exposure::open && field.name != "name" &&
                                              !(verb == "update" && field.is_fixed);
    if (!is_here) continue;
    const std::string begin = std::string(field.name) + "=";
    if (field.kind == FieldKind::boolean) {
      out.insert(out.end(), {begin + "true", begin + "false"});
    } else if (!field.choices.empty() && !is_list(field)) {
      for (std::string_view choice : field.choices) out.push_back(begin + std::string(choice));
    } else {
      out.push_back(begin);
    }
  }
  return out;
}

}  // namespace ringfence::client
