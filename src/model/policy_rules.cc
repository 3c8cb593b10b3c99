#include "ringfence/model/policy_rules.h"

namespace ringfence::model {

namespace {

void add_count(Defects& out, const std::string& path, size_t count, size_t count_max) {
  if (count > count_max) out.push_back({path, "has more than " + std::to_string(count_max) + " entries"});
}

template <typename Rules>
void add_rules(Defects& out, const char* list, const Rules& rules) {
  add_count(out, list, rules.size(), policy_rules_max);
  for (size_t i = 0; i < rules.size(); ++i) {
    const policy::Rule& rule = rules[i];
    const std::string path = path_of(list, i);
    if (rule.message.size() > policy_message_bytes_max) {
      out.push_back({path + ".message", "is longer than the " + std::to_string(policy_message_bytes_max) +
                                            " bytes that are shown"});
    }
    add_count(out, path + ".kinds", rule.kinds.size(), policy_items_max);
    add_count(out, path + ".relations", rule.relations.size(), policy_items_max);
    add_count(out, path + ".columns", rule.columns.size(), policy_items_max);
    add_count(out, path + ".functions", rule.functions.size(), policy_items_max);
  }
}

}  // namespace

Defects defects(const policy::Policy& policy) {
  Defects out;
  add_count(out, "roles", policy.roles.size(), policy_items_max);
  add_count(out, "tags", policy.tags.size(), policy_items_max);
  add_count(out, "kinds", policy.kinds.size(), policy_items_max);
  add_count(out, "functions", policy.functions.size(), policy_items_max);
  if (policy.whitelist) add_count(out, "whitelist", policy.whitelist->size(), policy_items_max);
  add_count(out, "metadata", policy.metadata.size(), policy_metadata_max);
  add_rules(out, "allow", policy.allow);
  add_rules(out, "deny", policy.deny);
  add_rules(out, "hold", policy.hold);
  return out;
}

}  // namespace ringfence::model
