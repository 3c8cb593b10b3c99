#include "ringfence/policy/policy_set.h"

#include <algorithm>
#include <set>

#include "names.h"
#include "ringfence/base/utf8.h"
#include "ringfence/sql/known_kinds.h"

namespace ringfence::policy {
namespace {

std::string all_kinds() {
  std::string out;
  for (const sql::KnownKind& kind : sql::known_kinds())
    out += (out.empty() ? "" : ", ") + std::string(kind.name);
  return out;
}

bool is_kind_of_any(std::string_view pattern) {
  const auto kinds = sql::known_kinds();
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const auto& kind) { return matches_wildcard(pattern, kind.name); });
}

// Kinds count in any case; what is none is told with the likest one.
void check_kinds(std::vector<Text>& kinds, std::vector<Problem>& problems) {
  for (Text& kind : kinds) {
    const std::string written = kind.text;
    std::transform(kind.text.begin(), kind.text.end(), kind.text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (is_kind_of_any(kind.text)) continue;
    const auto nearest = sql::nearest_kind(kind.text);
    problems.push_back({kind.where, "\"" + make_valid_text(written) + "\" is no kind of statement" +
                                        (nearest ? "; did you mean " + std::string(*nearest) + "?" : "") +
                                        " The kinds are " + all_kinds()});
  }
}

void check_names(std::vector<Text>& names, size_t parts_max, NameOf what, const char* form,
                 std::vector<Problem>& problems) {
  for (Text& name : names) {
    const std::string why = parse_name(name.text, parts_max, what, name.parts);
    if (why.empty()) continue;
    problems.push_back({name.where, "\"" + make_valid_text(name.text) + "\" is not a name (" + why +
                                        "): write " + form +
                                        ", other characters and capital letters in double quotes as in SQL"});
  }
}

// Roles and tags are compared whole.
void check_whole(const std::vector<Text>& words, const char* what, std::vector<Problem>& problems) {
  for (const Text& word : words) {
    if (word.text != "*" && word.text.find('*') != word.text.npos) {
      problems.push_back(
          {word.where, "\"" + make_valid_text(word.text) + "\" is no " + what +
                           ": it is compared as it stands; write whole ones, or * alone for any"});
    }
    if (word.text.empty()) problems.push_back({word.where, std::string("an empty text is no ") + what});
  }
}

void check_rule(Rule& rule, bool is_allow, std::vector<Problem>& problems) {
  check_kinds(rule.kinds, problems);
  check_names(rule.relations, 2, NameOf::relation, "table or schema.table", problems);
  check_names(rule.functions, 2, NameOf::function, "function or schema.function", problems);
  check_names(rule.columns, 3, NameOf::relation, "column, table.column or schema.table.column", problems);
  if (rule.kinds.empty() && rule.relations.empty() && rule.columns.empty() && rule.functions.empty() &&
      !rule.missing_where) {
    problems.push_back(
        {rule.where,
         "the rule has no condition: give kinds, relations, columns, functions or missing_where"});
  }
  if (is_allow && rule.missing_where) problems.push_back({rule.where, "missing_where is for deny rules"});
}

std::string label(const std::string& text) {
  const std::string valid = make_valid_text(text);
  return std::string(text_prefix(valid, label_bytes_max));
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool has_name_rules(const Policy& policy) {
  const auto is_one = [](const Rule& rule) { return !rule.relations.empty() || !rule.columns.empty(); };
  return std::any_of(policy.allow.begin(), policy.allow.end(), is_one) ||
         std::any_of(policy.deny.begin(), policy.deny.end(), is_one) ||
         std::any_of(policy.hold.begin(), policy.hold.end(), is_one);
}

bool tags_match(const Policy& policy, const std::vector<std::string>& tags) {
  if (policy.tags.empty()) return tags.empty();
  const auto is_on_target = [&](const Text& tag) { return tag.text == "*" || has(tags, tag.text); };
  return policy.matches_any_tag ? std::any_of(policy.tags.begin(), policy.tags.end(), is_on_target)
                                : std::all_of(policy.tags.begin(), policy.tags.end(), is_on_target);
}

}  // namespace

std::shared_ptr<const PolicySet> PolicySet::compile(std::vector<Policy> policies,
                                                    std::vector<Problem>& problems) {
  const size_t problems_before = problems.size();
  std::shared_ptr<PolicySet> set(new PolicySet());
  std::set<std::string> names;
  std::vector<std::string> texts;
  for (Policy& policy : policies) {
    if (policy.name.empty()) problems.push_back({policy.where, "the policy has no name"});
    if (!names.insert(policy.name).second)
      problems.push_back({policy.where, "there is another policy " + policy.name});
    if (policy.roles.empty())
      problems.push_back({policy.where, "the policy has no roles, so it would match nobody"});
    check_whole(policy.roles, "role", problems);
    check_whole(policy.tags, "tag", problems);
    check_kinds(policy.kinds, problems);
    check_names(policy.functions, 2, NameOf::function, "function or schema.function", problems);
    for (Rule& rule : policy.allow) check_rule(rule, true, problems);
    for (Rule& rule : policy.deny) check_rule(rule, false, problems);
    for (HoldRule& rule : policy.hold) {
      check_rule(rule, false, problems);
      if (rule.timeout_ms == 0)
        problems.push_back({rule.where, "a statement cannot be held for ever: give a timeout"});
    }
    set->whitelists_.emplace_back();
    if (!policy.whitelist) continue;
    for (const Text& pattern : *policy.whitelist) {
      set->whitelists_.back().push_back(static_cast<PatternId>(texts.size()));
      texts.push_back(pattern.text);
      set->texts_.push_back(pattern);
    }
  }
  for (const auto& problem : Patterns::compile(texts, set->patterns_)) {
    problems.push_back({set->texts_[problem.index].where, "the pattern " + set->texts_[problem.index].text +
                                                              " cannot be used: " + problem.message});
  }
  if (problems.size() != problems_before) return nullptr;
  set->policies_ = std::move(policies);
  for (Policy& policy : set->policies_) {
    policy.label = label("policy " + policy.name);
    for (Rule& rule : policy.allow) rule.label = label("policy " + policy.name + ": allow " + rule.where);
    for (Rule& rule : policy.deny) rule.label = label("policy " + policy.name + ": deny " + rule.where);
  }
  for (const Text& text : set->texts_) set->pattern_labels_.push_back(label("whitelist " + text.where));
  return set;
}

Access PolicySet::access(const std::vector<std::string>& roles, const std::vector<std::string>& tags) const {
  Access access;
  access.set = shared_from_this();
  bool opens_catalog = false;
  for (size_t i = 0; i < policies_.size(); ++i) {
    const Policy& policy = policies_[i];
    const auto role = std::find_if(policy.roles.begin(), policy.roles.end(),
                                   [&](const Text& one) { return one.text == "*" || has(roles, one.text); });
    if (role == policy.roles.end() || !tags_match(policy, tags)) continue;
    if (policy.is_closed) {
      access.closed_because =
          policy.label + " in the store is not as an appliance wrote it; an administrator has to mend it";
      continue;
    }
    if (!has(access.roles, role->text)) access.roles.push_back(role->text);
    access.policies.push_back(&policy);
    access.level = access.policies_level = std::max(access.level, policy.level);
    access.has_whitelist = access.has_whitelist || policy.whitelist.has_value();
    access.has_allow = access.has_allow || !policy.allow.empty();
    access.has_deny = access.has_deny || !policy.deny.empty();
    access.admits_by_name = access.admits_by_name || !policy.functions.empty() || !policy.kinds.empty();
    access.has_hold = access.has_hold || !policy.hold.empty();
    access.closes_catalog = access.closes_catalog || has_name_rules(policy);
    opens_catalog = opens_catalog || policy.opens_catalog;
    access.whitelist.insert(access.whitelist.end(), whitelists_[i].begin(), whitelists_[i].end());
  }
  access.closes_catalog = access.closes_catalog && !opens_catalog;
  return access;
}

void Access::use(std::shared_ptr<const Grant> decides) {
  level = decides->level;
  if (decides->is_in_doubt) {
    closed_because =
        decides->label() + " in the store is not as an appliance wrote it; an administrator has to mend it";
  }
  grant = std::move(decides);
}

}  // namespace ringfence::policy
