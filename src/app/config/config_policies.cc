#include "config_policies.h"

#include <map>

#include "ringfence/model/policy_rules.h"

namespace ringfence::app {

namespace {

// Reads policies and remembers where each text stands, so that what compiling finds is told there.
class Reader {
 public:
  Reader(Section& root, Places& places) : root_(root), places_(places) {}

  std::shared_ptr<const policy::PolicySet> read() {
    std::vector<policy::Policy> policies;
    model::Defects defects;
    auto sections = root_.list("policies", model::policies_max);
    for (auto& section : sections) {
      policies.push_back(read_policy(section));
      const std::string path = model::path_of("policies", policies.size() - 1);
      model::add_defects(defects, path, model::defects(policies.back()));
    }
    places_.tell(defects);
    std::vector<policy::Problem> problems;
    auto set = policy::PolicySet::compile(std::move(policies), problems);
    for (auto& problem : problems) root_.context().error(origins_[problem.where], std::move(problem.message));
    return set;
  }

 private:
  std::string remember(const Origin& origin) {
    std::string where = origin.line > 0 ? origin.file + ":" + std::to_string(origin.line) : origin.key;
    // A line may hold several things: each has a name of its own.
    auto [at, is_new] = origins_.emplace(where, origin);
    if (is_new || at->second.key == origin.key) return where;
    where += " " + origin.key;
    origins_.emplace(where, origin);
    return where;
  }

  std::vector<policy::Text> texts(Section& section, std::string_view key) {
    std::vector<policy::Text> out;
    for (auto& found : section.texts(key, model::policy_items_max))
      out.push_back({std::move(found.text), remember(found.origin)});
    return out;
  }

  policy::Rule read_rule(Section& section) {
    policy::Rule rule;
    rule.where = remember(section.origin());
    rule.kinds = texts(section, "kinds");
    rule.relations = texts(section, "relations");
    rule.columns = texts(section, "columns");
    rule.functions = texts(section, "functions");
    section.boolean("missing_where", rule.missing_where);
    section.text("message", rule.message);
    section.finish();
    return rule;
  }

  policy::Policy read_policy(Section& section) {
    policy::Policy policy;
    policy.where = remember(section.origin());
    section.text("name", policy.name);
    policy.roles = texts(section, "roles");
    policy.tags = texts(section, "tags");
    section.choice<bool>("tag_match", policy.matches_any_tag, {{"all", false}, {"any", true}});
    section.choice<policy::Level>("level", policy.level,
                                  {{"read", policy::Level::read},
                                   {"write", policy::Level::write},
                                   {"ddl", policy::Level::ddl},
                                   {"admin", policy::Level::admin}});
    policy.kinds = texts(section, "kinds");
    policy.functions = texts(section, "functions");
    section.choice<bool>("catalog", policy.opens_catalog, {{"closed", false}, {"open", true}});
    if (section.has("whitelist")) policy.whitelist = texts(section, "whitelist");
    for (auto& rule : section.list("allow", model::policy_rules_max)) policy.allow.push_back(read_rule(rule));
    for (auto& rule : section.list("deny", model::policy_rules_max)) policy.deny.push_back(read_rule(rule));
    for (auto& found : section.texts("metadata", model::policy_metadata_max)) {
      const size_t equals = found.text.find('=');
      if (equals == std::string::npos || equals == 0) {
        section.context().error(found.origin, "is \"" + found.text + "\"; write key=value");
        continue;
      }
      policy.metadata[found.text.substr(0, equals)] = found.text.substr(equals + 1);
    }
    section.finish();
    return policy;
  }

  Section& root_;
  Places& places_;
  std::map<std::string, Origin> origins_;
};

}  // namespace

std::shared_ptr<const policy::PolicySet> read_policies(Section& root, Places& places) {
  return Reader(root, places).read();
}

}  // namespace ringfence::app
