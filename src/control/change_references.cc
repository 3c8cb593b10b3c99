// What a change's references lead to: records of the store, or of the configuration where that may be.
#include <algorithm>
#include <set>

#include "change.h"

namespace ringfence::control {

using model::Json;

namespace {

// The names of what the field refers to in the configuration file.
void keep_names(const model::Field& field, Json names, Json& given) {
  if (field.declared_names.empty()) return;
  const std::string kept(field.declared_names);
  if (field.kind == model::FieldKind::reference) {
    given[kept] = names.empty() ? Json() : std::move(names[0]);
    return;
  }
  auto all = names.get<std::set<std::string>>();
  given[kept] = std::move(all);
}

}  // namespace

Result<model::Defects> Change::resolve(Json& given) {
  model::Defects out;
  for (const model::Field& field : noun_.fields) {
    const auto found = given.find(std::string(field.name));
    const bool is_many = field.kind == model::FieldKind::references;
    if (found == given.end() || (!is_many && field.kind != model::FieldKind::reference)) continue;
    const model::Noun& other = *model::find_noun(field.of);
    Json list = is_many || found->is_null() ? *found : Json::array({*found});
    Json declared_names = Json::array();
    for (size_t i = 0; i < list.size(); ++i) {
      if (const Json* declared = registry_.declared_for(field, list[i].get<std::string>())) {
        list[i] = declared->at("id");
        declared_names.push_back(declared->at("name"));
        continue;
      }
      auto record = registry_.find(other, list[i].get<std::string>());
      if (!record) return unexpected(std::move(record.error()));
      const std::string path = is_many ? model::path_of(field.name, i) : std::string(field.name);
      if (!*record)
        out.push_back({path, "names no " + std::string(other.name) + " that there is; make it first"});
      else if (!registry_.believes(**record))
        out.push_back({path, "names a record that is not as an appliance wrote it; see the trail's events"});
      else list[i] = (*record)->id();
    }
    if (!found->is_null() && !is_many) {
      *found = list[0];
    } else if (!found->is_null()) {
      auto ids = list.get<std::vector<std::string>>();
      std::sort(ids.begin(), ids.end());
      ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
      *found = ids;
    }
    keep_names(field, std::move(declared_names), given);
  }
  return out;
}

}  // namespace ringfence::control
