#include "ringfence/policy/policy_set.h"

#include <algorithm>
#include <set>

#include "ringfence/base/utf8.h"

namespace ringfence::policy {
namespace {

bool is_name_pattern(std::string_view text, size_t dots_max) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  return static_cast<size_t>(std::count(text.begin(), text.end(), '.')) <= dots_max && text.find("..") == text.npos;
}

void check_names(const std::vector<Text>& names, size_t dots_max, const char* form, std::vector<Problem>& problems) {
  for (const Text& name : names) {
    if (!is_name_pattern(name.text, dots_max)) {
      problems.push_back({name.where, "\"" + name.text + "\" is not a name: write " + form});
    }
  }
}

void check_rule(const Rule& rule, bool is_allow, std::vector<Problem>& problems) {
  check_names(rule.kinds, 0, "a kind of statement such as select or drop_*", problems);
  check_names(rule.relations, 1, "table or schema.table", problems);
  check_names(rule.functions, 1, "function or schema.function", problems);
  check_names(rule.columns, 2, "column, table.column or schema.table.column", problems);
  if (rule.kinds.empty() && rule.relations.empty() && rule.columns.empty() && rule.functions.empty() &&
      !rule.missing_where) {
    problems.push_back({rule.where, "the rule has no condition: give kinds, relations, columns, functions or missing_where"});
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

bool tags_match(const Policy& policy, const std::vector<std::string>& tags) {
  if (policy.tags.empty()) return tags.empty();
  const auto is_on_target = [&](const Text& tag) { return tag.text == "*" || has(tags, tag.text); };
  return policy.matches_any_tag ? std::any_of(policy.tags.begin(), policy.tags.end(), is_on_target)
                                : std::all_of(policy.tags.begin(), policy.tags.end(), is_on_target);
}

}  // namespace

std::shared_ptr<const PolicySet> PolicySet::compile(std::vector<Policy> policies, std::vector<Problem>& problems) {
  const size_t problems_before = problems.size();
  std::shared_ptr<PolicySet> set(new PolicySet());
  std::set<std::string> names;
  std::vector<std::string> texts;
  for (const Policy& policy : policies) {
    if (policy.name.empty()) problems.push_back({policy.where, "the policy has no name"});
    if (!names.insert(policy.name).second) problems.push_back({policy.where, "there is another policy " + policy.name});
    if (policy.roles.empty()) problems.push_back({policy.where, "the policy has no roles, so it would match nobody"});
    check_names(policy.kinds, 0, "a kind of statement such as notify or drop_*", problems);
    check_names(policy.functions, 1, "function or schema.function", problems);
    for (const Rule& rule : policy.allow) check_rule(rule, true, problems);
    for (const Rule& rule : policy.deny) check_rule(rule, false, problems);
    for (const HoldRule& rule : policy.hold) {
      check_rule(rule, false, problems);
      if (rule.timeout_ms == 0) problems.push_back({rule.where, "a statement cannot be held for ever: give a timeout"});
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
    problems.push_back({set->texts_[problem.index].where,
                        "the pattern " + set->texts_[problem.index].text + " cannot be used: " + problem.message});
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
  for (size_t i = 0; i < policies_.size(); ++i) {
    const Policy& policy = policies_[i];
    const auto role = std::find_if(policy.roles.begin(), policy.roles.end(),
                                   [&](const Text& one) { return one.text == "*" || has(roles, one.text); });
    if (role == policy.roles.end() || !tags_match(policy, tags)) continue;
    if (!has(access.roles, role->text)) access.roles.push_back(role->text);
    access.policies.push_back(&policy);
    access.level = std::max(access.level, policy.level);
    access.has_whitelist = access.has_whitelist || policy.whitelist.has_value();
    access.has_allow = access.has_allow || !policy.allow.empty();
    access.has_deny = access.has_deny || !policy.deny.empty();
    access.admits_by_name = access.admits_by_name || !policy.functions.empty() || !policy.kinds.empty();
    access.has_hold = access.has_hold || !policy.hold.empty();
    access.whitelist.insert(access.whitelist.end(), whitelists_[i].begin(), whitelists_[i].end());
  }
  return access;
}

std::vector<Problem> PolicySet::lint() const {
  std::vector<Problem> advice;
  Scratch scratch;
  std::vector<size_t> times(texts_.size());
  std::vector<Match> matches;
  // Texts that have nothing in common.
  constexpr std::string_view unlike[] = {"", "0", "drop table q", "\xc3\xa9\n~", "select 1"};
  for (std::string_view text : unlike) {
    if (!patterns_->scan(text, scratch, matches)) return advice;
    for (const Match& match : matches) ++times[match.id];
  }
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] == std::size(unlike)) {
      advice.push_back({texts_[i].where, "the pattern " + texts_[i].text + " matches every statement; leave the key "
                                         "`whitelist` out if that is meant"});
    }
    const std::string& text = texts_[i].text;
    if (text.starts_with("^ ") || text.starts_with("^;") || text.ends_with(";$") || text.ends_with(" $")) {
      advice.push_back({texts_[i].where, "the pattern " + text + " can never match: a statement is looked at without the "
                                         "blanks, comments and semicolons around it"});
    }
  }
  for (const Policy& policy : policies_) {
    if (policy.whitelist && policy.whitelist->empty()) {
      advice.push_back({policy.where, "the whitelist of policy " + policy.name + " is empty, so it admits no statement"});
    }
    for (size_t i = 0; i < policies_.size() && &policies_[i] != &policy; ++i) {
      for (const Rule& rule : policy.allow) {
        for (const Rule& deny : policies_[i].deny) {
          if (deny.kinds.size() == 1 && deny.kinds[0].text == "*" && deny.relations.empty() && deny.columns.empty() &&
              deny.functions.empty() && !deny.missing_where) {
            advice.push_back({rule.where, "the rule is never reached where policy " + policies_[i].name + " denies all kinds"});
          }
        }
      }
    }
  }
  return advice;
}

}  // namespace ringfence::policy
