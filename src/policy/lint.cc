// What is valid in policies and probably not meant.
#include <algorithm>
#include <cctype>

#include "catalog.h"
#include "names.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/sql/known_kinds.h"

namespace ringfence::policy {
namespace {

using Advice = std::vector<Problem>;

template <typename Test>
bool any_kind(const std::vector<Text>& patterns, Test&& test) {
  for (const Text& pattern : patterns) {
    for (const sql::KnownKind& kind : sql::known_kinds()) {
      if (matches_wildcard(pattern.text, kind.name) && test(kind)) return true;
    }
  }
  return false;
}

void lint_names(const std::vector<Text>& names, const char* use, Advice& advice) {
  for (const Text& name : names) {
    if (std::none_of(name.parts.begin(), name.parts.end(),
                     [](const NamePart& part) { return part.was_folded; }))
      continue;
    advice.push_back(
        {name.where, "PostgreSQL folds " + name.text + " to small letters, and so does the policy: " + use +
                         "; write it in double quotes, '\"Name\"', where the capital letters are meant"});
  }
}

// What is said to be PostgreSQL's own and is not.
void lint_functions(const std::vector<Text>& functions, Advice& advice) {
  for (const Text& function : functions) {
    if (function.parts.size() != 2 || function.parts[0].text != "pg_catalog") continue;
    const std::string& name = function.parts[1].text;
    const bool is_word =
        !name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_');
    if (!is_word || name.find('*') != name.npos || is_catalog_function(name)) continue;
    advice.push_back({function.where, "pg_catalog has no function " + name +
                                          " in any version that is known, so the name matches "
                                          "nothing"});
  }
}

void lint_rule(const Rule& rule, bool is_allow, Advice& advice) {
  const char* use = is_allow ? "it allows the name in small letters alone" : "it meets the name in any case";
  lint_names(rule.relations, use, advice);
  lint_names(rule.columns, use, advice);
  lint_names(rule.functions, use, advice);
  lint_functions(rule.functions, advice);
  if (rule.missing_where && !rule.kinds.empty() && !any_kind(rule.kinds, [](const sql::KnownKind& kind) {
        return kind.name == "update" || kind.name == "delete" || kind.name == "merge" ||
               kind.name == "prepare" || kind.name == "explain_analyze" || kind.name == "copy_to" ||
               kind.name == "select" || kind.name == "insert";
      })) {
    advice.push_back(
        {rule.where,
         "missing_where is about UPDATE, DELETE and MERGE, which none of its kinds holds: the rule is "
         "never met"});
  }
  if ((!rule.relations.empty() || !rule.columns.empty()) && !rule.kinds.empty() && !is_allow &&
      !any_kind(rule.kinds, [](const sql::KnownKind& kind) { return kind.has_relations; })) {
    advice.push_back(
        {rule.where, "statements of its kinds name no relations and columns: the rule is never met"});
  }
}

void lint_beyond_level(const Policy& policy, Advice& advice) {
  if (policy.level == Level::admin && (!policy.functions.empty() || !policy.kinds.empty())) {
    advice.push_back(
        {policy.where, "level admin admits every kind and function: kinds and functions of policy " +
                           policy.name + " add nothing"});
    return;
  }
  for (const Text& kind : policy.kinds) {
    if (any_kind({kind}, [&](const sql::KnownKind& known) { return known.level > policy.level; })) continue;
    advice.push_back(
        {kind.where, "level " + std::string(sql::level_name(policy.level)) + " admits " + kind.text +
                         " anyway: the key `kinds` adds to the level, and limits nothing; use allow"});
  }
}

}  // namespace

std::vector<Problem> PolicySet::lint() const {
  std::vector<Problem> advice;
  lint_patterns(advice);
  Level highest = Level::read;
  for (const Policy& policy : policies_) highest = std::max(highest, policy.level);
  const auto is_admitted = [&](const Text& pattern) {
    return any_kind({pattern}, [&](const sql::KnownKind& kind) {
      return kind.level <= highest ||
             std::any_of(policies_.begin(), policies_.end(), [&](const Policy& policy) {
               return std::any_of(policy.kinds.begin(), policy.kinds.end(), [&](const Text& admitted) {
                 return matches_wildcard(admitted.text, kind.name);
               });
             });
    });
  };
  for (const Policy& policy : policies_) {
    lint_names(policy.functions, "it admits the name in small letters alone", advice);
    lint_functions(policy.functions, advice);
    lint_beyond_level(policy, advice);
    for (const Rule& rule : policy.deny) lint_rule(rule, false, advice);
    for (const Rule& rule : policy.hold) lint_rule(rule, false, advice);
    for (const Rule& rule : policy.allow) {
      lint_rule(rule, true, advice);
      for (const Text& kind : rule.kinds) {
        if (is_admitted(kind)) continue;
        advice.push_back({kind.where, "no policy has a level that admits " + kind.text +
                                          ", so the rule allows nothing of that kind; "
                                          "allow narrows a level and never raises it"});
      }
    }
  }
  lint_reach(advice);
  return advice;
}

void PolicySet::lint_patterns(std::vector<Problem>& advice) const {
  Scratch scratch;
  std::vector<size_t> times(texts_.size());
  std::vector<Match> matches;
  // Texts that have nothing in common.
  constexpr std::string_view unlike[] = {"", "0", "drop table q", "\xc3\xa9\n~", "select 1"};
  for (std::string_view text : unlike) {
    if (!patterns_->scan(text, scratch, matches)) return;
    for (const Match& match : matches) ++times[match.id];
  }
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] == std::size(unlike)) {
      advice.push_back({texts_[i].where, "the pattern " + texts_[i].text +
                                             " matches every statement; leave the key "
                                             "`whitelist` out if that is meant"});
    }
    const std::string& text = texts_[i].text;
    if (text.starts_with("^ ") || text.starts_with("^;") || text.ends_with(";$") || text.ends_with(" $")) {
      advice.push_back({texts_[i].where, "the pattern " + text +
                                             " can never match: a statement is looked at without the "
                                             "blanks, comments and semicolons around it"});
    }
  }
}

// Rules and policies that another one leaves nothing to do.
void PolicySet::lint_reach(std::vector<Problem>& advice) const {
  for (const Policy& policy : policies_) {
    if (policy.whitelist && policy.whitelist->empty()) {
      advice.push_back(
          {policy.where, "the whitelist of policy " + policy.name + " is empty, so it admits no statement"});
    }
    for (size_t i = 0; i < policies_.size() && &policies_[i] != &policy; ++i) {
      for (const Rule& rule : policy.allow) {
        for (const Rule& deny : policies_[i].deny) {
          if (deny.kinds.size() == 1 && deny.kinds[0].text == "*" && deny.relations.empty() &&
              deny.columns.empty() && deny.functions.empty() && !deny.missing_where) {
            advice.push_back({rule.where, "the rule is never reached where policy " + policies_[i].name +
                                              " denies all kinds"});
          }
        }
      }
    }
  }
}

}  // namespace ringfence::policy
