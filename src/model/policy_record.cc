#include "ringfence/model/policy_record.h"

#include <nlohmann/json.hpp>

#include "ringfence/model/defect.h"
#include "ringfence/model/level.h"

namespace ringfence::model {

namespace {

using policy::Rule;
using policy::Text;

class Reader {
 public:
  Reader(const Json& record, PolicyPlaces places) : record_(record), places_(places) {}

  policy::Policy read() const {
    policy::Policy out;
    out.name = record_.at("name").get<std::string>();
    out.where = place("", 0);
    out.roles = texts(record_, "roles", "roles");
    out.tags = texts(record_, "tags", "tags");
    out.matches_any_tag = record_.at("tag_match") == "any";
    out.level = value_of(record_.at("level").get<std::string>(), levels).value_or(policy::Level::read);
    out.kinds = texts(record_, "kinds", "kinds");
    out.functions = texts(record_, "functions", "functions");
    out.opens_catalog = record_.at("catalog") == "open";
    if (!record_.at("whitelist").is_null()) out.whitelist = texts(record_, "whitelist", "whitelist");
    out.allow = rules("allow");
    out.deny = rules("deny");
    out.metadata = record_.at("metadata").get<std::map<std::string, std::string>>();
    return out;
  }

 private:
  // `list`: the path of a list; empty: the policy itself.
  std::string place(const std::string& list, size_t index) const {
    if (places_ == PolicyPlaces::fields) return list.empty() ? "" : path_of(list, index);
    const std::string whole = record_.at("name").get<std::string>() + ", version " +
                              std::to_string(record_.at("version").get<int64_t>());
    return list.empty() ? whole : std::to_string(index + 1) + " of " + whole;
  }

  std::vector<Text> texts(const Json& of, const char* member, const std::string& path) const {
    std::vector<Text> out;
    const Json& list = of.at(member);
    for (size_t i = 0; i < list.size(); ++i) out.push_back({list[i].get<std::string>(), place(path, i)});
    return out;
  }

  std::vector<Rule> rules(const char* list) const {
    std::vector<Rule> out;
    const Json& all = record_.at(list);
    for (size_t i = 0; i < all.size(); ++i) {
      const Json& one = all[i];
      Rule rule;
      rule.where = place(list, i);
      const std::string path = path_of(list, i) + ".";
      rule.kinds = texts(one, "kinds", path + "kinds");
      rule.relations = texts(one, "relations", path + "relations");
      rule.columns = texts(one, "columns", path + "columns");
      rule.functions = texts(one, "functions", path + "functions");
      rule.missing_where = one.value("missing_where", false);
      if (const auto message = one.find("message"); message != one.end() && message->is_string())
        rule.message = message->get<std::string>();
      out.push_back(std::move(rule));
    }
    return out;
  }

  const Json& record_;
  PolicyPlaces places_;
};

}  // namespace

policy::Policy policy_of(const Json& record, PolicyPlaces places) { return Reader(record, places).read(); }

policy::Policy closed_policy(const Json* record, const std::string& name) {
  policy::Policy out;
  out.name = name;
  out.where = "the store";
  out.is_closed = true;
  out.roles = out.tags = {{"*", out.where}};
  if (record == nullptr) return out;
  policy::Policy known = policy_of(*record, PolicyPlaces::version);
  out.where = std::move(known.where);
  out.roles = std::move(known.roles);
  out.tags = std::move(known.tags);
  out.matches_any_tag = known.matches_any_tag;
  return out;
}

}  // namespace ringfence::model
