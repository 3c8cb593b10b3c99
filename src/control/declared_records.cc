#include "ringfence/control/declared_records.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "ringfence/base/uuid.h"
#include "ringfence/model/declared.h"

namespace ringfence::control {

using model::Field;
using model::FieldKind;
using model::Json;

namespace {

constexpr const char* before_all_times = "1970-01-01T00:00:00.000000Z";
// Later than any time in its text.
constexpr const char* after_all_times = "infinity";

bool matches(const Field& field, const Json& value, const std::string& wanted) {
  if (field.kind == FieldKind::boolean) return value.is_boolean() && value.get<bool>() == (wanted == "true");
  if (value.is_array()) return std::find(value.begin(), value.end(), Json(wanted)) != value.end();
  return value.is_string() && value.get_ref<const std::string&>() == wanted;
}

// Integers, then texts byte by byte, then the id: as the store sorts them.
using Key = std::tuple<int64_t, std::string, std::string>;

Key key_of(const std::string& sort, const Json& value, const std::string& id) {
  if (value.is_number_integer()) return {value.get<int64_t>(), "", id};
  if (value.is_string()) return {0, value.get<std::string>(), id};
  // A time that is not given is late, another value is none.
  return {0, sort.ends_with("_at") ? after_all_times : "", id};
}

Key key_of(const std::string& sort, const Json& body) {
  return key_of(sort, sort_value(sort, body), body.at("id").get<std::string>());
}

}  // namespace

Json sort_value(const std::string& sort, const Json& body) {
  const Json& value = body.at(sort);
  if (value.is_null() && sort == "created_at") return before_all_times;
  return value;
}

bool stands_before(const store::ListQuery& query, const Json& a, const Json& b) {
  const Key first = key_of(query.sort, a), second = key_of(query.sort, b);
  return query.is_descending ? second < first : first < second;
}

void DeclaredRecords::add(const model::Noun& noun, const Json& given, const std::string& where) {
  const std::string name = given.at("name").get<std::string>();
  Json body = model::shown(noun, model::complete(noun, given));
  const Uuid id = model::declared_id(noun.name, name);
  body["id"] = to_string(id);
  int64_t number = model::declared_number(id);
  while (by_number_.contains({noun.name, number})) ++number;
  body["number"] = number;
  for (const char* unknown : {"version", "created_at", "updated_at"}) body[unknown] = nullptr;
  for (const char* by : {"created_by", "updated_by"}) body[by] = "configuration";
  body["source"] = "configuration";
  body["declared_in"] = where;
  const auto [at, is_new] = by_name_[noun.name].emplace(name, std::move(body));
  if (!is_new) return;
  by_id_.emplace(at->second.at("id").get<std::string>(), &at->second);
  by_number_.emplace(std::pair(noun.name, number), &at->second);
}

const Json* DeclaredRecords::find_number(const model::Noun& noun, int64_t number) const {
  const auto found = by_number_.find({noun.name, number});
  return found == by_number_.end() ? nullptr : found->second;
}

const Json* DeclaredRecords::find(const model::Noun& noun, const std::string& which) const {
  const auto records = by_name_.find(noun.name);
  if (records == by_name_.end()) return nullptr;
  if (const auto named = records->second.find(which); named != records->second.end()) return &named->second;
  // An id is of one noun's record, which the name proves.
  const auto found = by_id_.find(which);
  if (found == by_id_.end()) return nullptr;
  const auto of_noun = records->second.find(found->second->at("name").get<std::string>());
  return of_noun != records->second.end() && &of_noun->second == found->second ? found->second : nullptr;
}

std::vector<Json> DeclaredRecords::list(const model::Noun& noun, const store::ListQuery& query) const {
  std::vector<Json> out;
  const auto records = by_name_.find(noun.name);
  if (records == by_name_.end()) return out;
  const auto is_wanted = [&](const Json& body) {
    const bool fits = std::all_of(query.filters.begin(), query.filters.end(), [&](const auto& filter) {
      const Field* field = noun.find(filter.first);
      return field != nullptr && matches(*field, body.at(filter.first), filter.second);
    });
    if (!fits || !query.after) return fits;
    const Key last = key_of(query.sort, query.after->first, query.after->second);
    const Key own = key_of(query.sort, body);
    return query.is_descending ? own < last : last < own;
  };
  for (const auto& [name, body] : records->second) {
    if (is_wanted(body)) out.push_back(body);
  }
  std::sort(out.begin(), out.end(), [&](const Json& a, const Json& b) { return stands_before(query, a, b); });
  if (out.size() > query.limit) out.resize(query.limit);
  return out;
}

std::string DeclaredRecords::refusal_of(const model::Noun& noun, const Json& declared) {
  return "the " + std::string(noun.name) + " is declared in " +
         declared.at("declared_in").get<std::string>() + "; change it there and reload";
}

}  // namespace ringfence::control
