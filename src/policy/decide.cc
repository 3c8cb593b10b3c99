#include "ringfence/policy/decide.h"

#include <algorithm>
#include <tuple>

#include "catalog.h"
#include "closed.h"
#include "fold.h"
#include "names.h"
#include "settings.h"
#include "system_rows.h"

namespace ringfence::policy {
namespace {

using sql::Facts;

bool any_matches(const std::vector<Text>& patterns, std::string_view schema, std::string_view name,
                 Doubt doubt) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Text& pattern) { return matches_name(pattern.parts, schema, name, doubt); });
}

// Of a statement about all relations of a schema or of the database any may be denied, and all have to be
// allowed.
bool meets(std::span<const NamePart> pattern, const sql::RelationUse& use) {
  return use.is_every ? may_be_in(pattern, use.schema)
                      : matches_name(pattern, use.schema, use.name, Doubt::yes);
}

bool meets_relation(const std::vector<Text>& patterns, const sql::RelationUse& use) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Text& pattern) { return meets(pattern.parts, use); });
}

bool kind_matches(const std::vector<Text>& patterns, std::string_view kind) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Text& pattern) { return matches_wildcard(pattern.text, kind); });
}

// What admits a name has to admit what the server may make of it, too.
template <typename Matches>
bool admits_name(const sql::Name& name, const SessionFacts& session, Matches&& matches) {
  if (!matches(name.schema, name.name)) return false;
  return !session.folds_beyond_ascii || matches(fold_beyond_ascii(name.schema), fold_beyond_ascii(name.name));
}

std::string_view level_label(Level level) {
  switch (level) {
    case Level::read: return "level read";
    case Level::write: return "level write";
    case Level::ddl: return "level ddl";
    case Level::admin: return "level admin";
  }
  return "level admin";
}

// One decision in the making: what was found, and the first reason to refuse.
class Judge {
 public:
  Judge(const Access& access, const Facts& facts, const SessionFacts& session, std::vector<Finding>* findings)
      : access_(access), facts_(facts), session_(session), findings_(findings) {}

  Decision decide() {
    judge_level();
    judge_functions();
    judge_attributes();
    judge_operators();
    judge_relations();
    judge_settings();
    judge_closed();
    judge_deny();
    judge_allow();
    if (decision_.is_allowed && decision_.allowed_by.empty())
      decision_.allowed_by = level_label(access_.level);
    judge_hold();
    return std::move(decision_);
  }

 private:
  // Which policy admits the kind beyond the level.
  const Policy* admits_kind(std::string_view kind) const {
    if (facts_.is_opaque && !is_lifting_told()) return nullptr;
    for (const Policy* policy : access_.policies) {
      if (kind_matches(policy->kinds, kind)) return policy;
    }
    return nullptr;
  }
  // Since PostgreSQL 14 the server says so when a function lifts the session's read-only mode, where there is
  // one.
  bool is_lifting_told() const {
    return access_.level != Level::read || (session_.server_version >= 14 && session_.is_server_read_only);
  }
  const Policy* admits_function(const sql::Name& function) const {
    if (!is_lifting_told()) return nullptr;
    for (const Policy* policy : access_.policies) {
      const auto is_named = [&](std::string_view schema, std::string_view name) {
        return any_matches(policy->functions, schema, name, Doubt::no);
      };
      if (admits_name(function, session_, is_named)) return policy;
    }
    return nullptr;
  }

  void refuse(std::string rule, std::string message, std::string hint, sql::Place at) {
    if (findings_ != nullptr) findings_->push_back({rule, message, true, at});
    if (!decision_.is_allowed) return;
    decision_.is_allowed = false;
    decision_.rule = std::move(rule);
    decision_.message = std::move(message);
    decision_.hint = std::move(hint);
    decision_.at = at;
  }
  // A policy that lets pass what the level does not.
  void admit_beyond(const Policy& policy, std::string what, sql::Place at) {
    decision_.allowed_by = policy.label;
    admit(name_of(policy), std::move(what), at);
  }
  void admit(std::string rule, std::string what, sql::Place at = sql::nowhere) {
    if (findings_ != nullptr) findings_->push_back({std::move(rule), std::move(what), false, at});
  }
  const char* hint_to_name() const {
    if (is_lifting_told()) return "A policy can admit it by name, in its key functions.";
    return !session_.is_server_read_only
               ? "The session began at another level, and the server does not hold it read-only: connect "
                 "again, then what policies "
                 "admit by name may be called."
               : "Before PostgreSQL 14 a server does not tell when a function makes the session writable, so "
                 "that not even a policy can admit it at this level.";
  }
  static std::string name_of(const Policy& policy) { return "policy " + policy.name; }

  void judge_level() {
    for (const sql::Effect& effect : facts_.effects) {
      if (effect.level <= access_.level) continue;
      if (const Policy* policy = admits_kind(effect.kind)) {
        admit_beyond(*policy, effect.what + " is admitted by kinds", effect.at);
        if (facts_.is_opaque) decision_.calls_named_functions = true;
        continue;
      }
      if (effect.kind == "call" && !facts_.functions.empty() &&
          admits_function(facts_.functions.front()) != nullptr) {
        continue;  // The procedure is named; judge_functions() says by whom.
      }
      refuse(std::string("level ") + sql::level_name(access_.level),
             effect.what + " needs access level " + sql::level_name(effect.level) + "; yours here is " +
                 sql::level_name(access_.level),
             std::string("Ask for a policy of level ") + sql::level_name(effect.level) + " on this target.",
             effect.at);
    }
    if (findings_ != nullptr && decision_.is_allowed) {
      admit(std::string("level ") + sql::level_name(access_.level), facts_.kind + " is within the level");
    }
  }

  void judge_functions() {
    if (access_.level == Level::admin) return;
    for (const sql::Name& function : facts_.functions) {
      if (function.name == "set_config" && (function.schema.empty() || function.schema == "pg_catalog")) {
        continue;  // judge_settings() looks at what it sets.
      }
      const bool is_catalog = function.schema.empty() || function.schema == "pg_catalog";
      if (is_catalog && is_read_function(function.name, session_.server_version)) continue;
      if (function.schema == "information_schema" &&
          is_information_function(function.name, session_.server_version))
        continue;
      if (is_catalog && access_.level >= Level::write && is_write_function(function.name)) continue;
      const std::string name = (function.schema.empty() ? "" : function.schema + ".") + function.name;
      if (const Policy* policy = admits_function(function)) {
        decision_.calls_named_functions = true;
        admit_beyond(*policy, "the function " + name + " is admitted by name", function.at);
        continue;
      }
      refuse("functions",
             "the function " + name + " is not one that access level " + sql::level_name(access_.level) +
                 " may call",
             hint_to_name(), function.at);
    }
  }

  // The name behind a dot calls the function of that name where there is no such column.
  void judge_attributes() {
    if (access_.level == Level::admin) return;
    for (const sql::Attribute& attribute : facts_.attributes) {
      if (is_read_function(attribute.name, session_.server_version)) continue;
      if (access_.level >= Level::write && is_write_function(attribute.name)) continue;
      if (attribute.is_of_expression ? is_catalog_output(attribute.name)
                                     : !is_catalog_function(attribute.name))
        continue;
      if (const Policy* policy = admits_function(attribute)) {
        decision_.calls_named_functions = true;
        admit_beyond(*policy, "the function " + attribute.name + " is admitted by name", attribute.at);
        continue;
      }
      refuse("functions",
             "." + attribute.name + " may call a function of that name, which access level " +
                 sql::level_name(access_.level) + " may not",
             hint_to_name(), attribute.at);
    }
  }

  void judge_operators() {
    if (access_.level != Level::read) return;
    for (const sql::Name& op : facts_.operators) {
      const bool is_catalog = op.schema.empty() || op.schema == "pg_catalog";
      if (is_catalog && is_read_operator(op.name, session_.server_version)) continue;
      if (const Policy* policy = admits_function(op)) {
        decision_.calls_named_functions = true;
        admit_beyond(*policy, "the operator " + op.name + " is admitted by name", op.at);
        continue;
      }
      refuse("functions", "the operator " + op.name + " is not one of PostgreSQL's own",
             "An operator runs a function; a policy can admit it by name, in its key functions.", op.at);
    }
  }

  // Views over functions that no level below admin may call, relations with passwords, and the catalog's own
  // rows.
  void judge_relations() {
    if (access_.level == Level::admin) return;
    if (const sql::RelationUse* changed = changed_system_relation(facts_)) {
      refuse(std::string("level ") + sql::level_name(access_.level),
             "changing rows of " + changed->name +
                 ", which are PostgreSQL's own, needs access level admin; yours here is " +
                 sql::level_name(access_.level),
             "Roles, rights and definitions are changed by statements of their own.", changed->at);
    }
    for (const sql::RelationUse& relation : facts_.relations) {
      if (!is_refused_here(relation)) continue;
      if (const Policy* policy = admits_function(relation)) {
        decision_.calls_named_functions = true;
        admit_beyond(*policy, "the relation " + relation.name + " is admitted by name", relation.at);
        continue;
      }
      refuse("functions",
             "the relation " + relation.name + " tells what no function may tell at access level " +
                 sql::level_name(access_.level),
             hint_to_name(), relation.at);
    }
  }
  bool is_refused_here(const sql::RelationUse& relation) const {
    if (relation.schema.empty() || relation.schema == "pg_catalog") {
      if (is_refused_relation(relation.name, session_.server_version)) return true;
    }
    const ClosedRelation* secret = secret_relation(relation.schema, relation.name);
    return secret != nullptr && names_column_or_all(secret->column);
  }
  bool names_column_or_all(std::string_view name) const {
    sql::Place at = sql::nowhere;
    return name.empty() || names_column(name) || names_every_column(at);
  }

  void judge_settings() {
    for (const sql::Setting& setting : facts_.settings) {
      const std::string reason = refuse_setting(setting, access_.level);
      if (reason.empty()) {
        if (findings_ != nullptr) {
          admit(
              std::string("level ") + sql::level_name(access_.level),
              "setting " + (setting.name.empty() ? "a parameter" : setting.name) + " so is within the level",
              setting.at);
        }
        continue;
      }
      refuse("settings",
             "setting " + (setting.name.empty() ? "a parameter" : setting.name) +
                 " is not allowed at access level " + sql::level_name(access_.level) + ": " + reason,
             "docs/policy.md lists the settings that each level may change.", setting.at);
    }
  }

  // What would show what the rules about relations and columns keep back.
  void judge_closed() {
    if (!access_.closes_catalog) return;
    for (const sql::RelationUse& relation : facts_.relations) {
      const ClosedRelation* closed = closed_relation(relation.schema, relation.name);
      if (closed == nullptr) continue;
      if (!names_column_or_all(closed->column)) continue;
      refuse_closed(relation.name + (closed->column.empty() ? "" : "." + std::string(closed->column)),
                    relation.at);
    }
    const auto look_at = [&](const sql::Name& function) {
      if (!is_closed_function(function.name) || admits_function(function) != nullptr) return;
      refuse_closed("the function " + function.name, function.at);
    };
    std::for_each(facts_.functions.begin(), facts_.functions.end(), look_at);
    std::for_each(facts_.attributes.begin(), facts_.attributes.end(), look_at);
  }
  bool names_column(std::string_view name) const {
    return std::any_of(facts_.columns.begin(), facts_.columns.end(),
                       [&](const auto& column) { return column.name == name; }) ||
           std::any_of(facts_.attributes.begin(), facts_.attributes.end(),
                       [&](const auto& one) { return one.name == name; });
  }
  void refuse_closed(const std::string& what, sql::Place at) {
    refuse("catalog",
           what + " would show what the rules of your policies about relations and columns keep back",
           "A policy can open it with the key catalog: open.", at);
  }

  // `table.to_jsonb`: where there is no such column it is a call with the whole row, of PostgreSQL's function
  // or of one that a policy names.
  bool may_take_a_row(const sql::Attribute& attribute) const {
    if (is_row_function(attribute.name, session_.server_version)) return true;
    return std::any_of(access_.policies.begin(), access_.policies.end(), [&](const Policy* policy) {
      return std::any_of(policy->functions.begin(), policy->functions.end(), [&](const Text& named) {
        const NamePart& name = named.parts.back();
        return name.text.find('*') == name.text.npos && matches_part(name, attribute.name, Doubt::yes);
      });
    });
  }
  bool names_every_column(sql::Place& at) const {
    const bool is_about_all = std::any_of(facts_.reached.begin(), facts_.reached.end(),
                                          [](const sql::RelationUse& use) { return use.is_every; });
    if (facts_.relations.empty() && !is_about_all) return false;
    if (facts_.names_every_column) return true;
    const auto found =
        std::find_if(facts_.attributes.begin(), facts_.attributes.end(),
                     [&](const sql::Attribute& attribute) { return may_take_a_row(attribute); });
    if (found == facts_.attributes.end()) return false;
    at = found->at;
    return true;
  }

  // Deny: something of the statement meets each of the rule's conditions.
  bool meets_column(const Text& pattern, sql::Place& at) const {
    const std::span<const NamePart> relation_wanted =
        std::span(pattern.parts).first(pattern.parts.size() - 1);
    const auto is_meant_by = [&](const std::vector<sql::RelationUse>& uses) {
      return std::any_of(uses.begin(), uses.end(),
                         [&](const sql::RelationUse& use) { return meets(relation_wanted, use); });
    };
    if (!relation_wanted.empty() && !is_meant_by(facts_.relations) && !is_meant_by(facts_.reached))
      return false;
    for (const sql::ColumnUse& column : facts_.columns) {
      if (matches_part(pattern.parts.back(), column.name, Doubt::yes)) {
        at = column.at;
        return true;
      }
    }
    return names_every_column(at);
  }

  bool meets_denied(const Rule& rule, sql::Place& at) const {
    if (rule.missing_where && !facts_.misses_where) return false;
    if (!rule.kinds.empty() && !kind_matches(rule.kinds, facts_.kind) &&
        std::none_of(facts_.effects.begin(), facts_.effects.end(),
                     [&](const sql::Effect& effect) { return kind_matches(rule.kinds, effect.kind); })) {
      return false;
    }
    if (!rule.relations.empty()) {
      const auto is_met_by = [&](const std::vector<sql::RelationUse>& uses) {
        const auto found = std::find_if(uses.begin(), uses.end(),
                                        [&](const auto& use) { return meets_relation(rule.relations, use); });
        if (found != uses.end()) at = found->at;
        return found != uses.end();
      };
      if (!is_met_by(facts_.relations) && !is_met_by(facts_.reached)) return false;
    }
    if (!rule.functions.empty()) {
      const auto is_denied = [&](const auto& function) {
        return any_matches(rule.functions, function.schema, function.name, Doubt::yes);
      };
      const auto is_met_by = [&](const auto& calls) {
        const auto found = std::find_if(calls.begin(), calls.end(), is_denied);
        if (found != calls.end()) at = found->at;
        return found != calls.end();
      };
      if (!is_met_by(facts_.functions) && !is_met_by(facts_.attributes) && !is_met_by(facts_.operators))
        return false;
    }
    return rule.columns.empty() ||
           std::any_of(rule.columns.begin(), rule.columns.end(),
                       [&](const Text& pattern) { return meets_column(pattern, at); });
  }

  void judge_deny() {
    if (!access_.has_deny) return;
    for (const Policy* policy : access_.policies) {
      for (const Rule& rule : policy->deny) {
        sql::Place at = sql::nowhere;
        if (!meets_denied(rule, at)) continue;
        refuse(name_of(*policy) + ": deny " + rule.where,
               rule.message.empty() ? "policy " + policy->name + " denies this statement" : rule.message, "",
               at);
      }
    }
  }

  void judge_hold() {
    if (!access_.has_hold || !decision_.is_allowed) return;
    for (const Policy* policy : access_.policies) {
      for (const HoldRule& rule : policy->hold) {
        sql::Place at = sql::nowhere;
        if (!meets_denied(rule, at)) continue;
        const std::string name = name_of(*policy) + ": hold " + rule.where;
        if (findings_ != nullptr) findings_->push_back({name, "the statement waits to be released", false});
        decision_.hold_rule += (decision_.hold_ms == 0 ? "" : ", ") + name;
        decision_.hold_ms =
            decision_.hold_ms == 0 ? rule.timeout_ms : std::min(decision_.hold_ms, rule.timeout_ms);
      }
    }
  }

  // Allow: all of the statement is within the rule.
  bool is_within(const Rule& rule) const {
    if (!rule.kinds.empty()) {
      if (!kind_matches(rule.kinds, facts_.kind)) return false;
      for (const sql::Effect& effect : facts_.effects) {
        // What PREPARE, DECLARE, COPY and EXPLAIN read is within their own kinds.
        if (effect.level == Level::read || effect.kind == facts_.kind) continue;
        if (!kind_matches(rule.kinds, effect.kind)) return false;
      }
    }
    const auto are_within = [&](const std::vector<sql::RelationUse>& uses) {
      return std::all_of(uses.begin(), uses.end(),
                         [&](const auto& use) { return is_relation_within(rule, use); });
    };
    if (!rule.relations.empty() && !(are_within(facts_.relations) && are_within(facts_.reached)))
      return false;
    if (!rule.functions.empty() && !are_calls_within(rule)) return false;
    // Nobody sees which relations DO and CALL touch, nor what DO calls.
    if (facts_.is_opaque && (!rule.relations.empty() || !rule.columns.empty())) return false;
    if (facts_.is_opaque && !rule.functions.empty() && facts_.functions.empty()) return false;
    if (rule.columns.empty()) return true;
    if (sql::Place at = sql::nowhere; names_every_column(at)) return false;
    return std::all_of(facts_.columns.begin(), facts_.columns.end(), [&](const sql::ColumnUse& column) {
      return is_column_within(rule, column.name) &&
             (!session_.folds_beyond_ascii || is_column_within(rule, fold_beyond_ascii(column.name)));
    });
  }
  bool is_relation_within(const Rule& rule, const sql::RelationUse& relation) const {
    return admits_name(relation, session_, [&](std::string_view schema, std::string_view name) {
      return std::any_of(rule.relations.begin(), rule.relations.end(), [&](const Text& pattern) {
        return relation.is_every ? covers_all_of(pattern.parts, schema)
                                 : matches_name(pattern.parts, schema, name, Doubt::no);
      });
    });
  }
  // Functions, operators of one's own, and the names behind a dot that are calls or may be.
  bool are_calls_within(const Rule& rule) const {
    const auto is_named = [&](const sql::Name& call) {
      return admits_name(call, session_, [&](std::string_view schema, std::string_view name) {
        return any_matches(rule.functions, schema, name, Doubt::no);
      });
    };
    return std::all_of(facts_.functions.begin(), facts_.functions.end(), is_named) &&
           std::all_of(facts_.operators.begin(), facts_.operators.end(),
                       [&](const sql::Name& op) {
                         const bool is_catalog = op.schema.empty() || op.schema == "pg_catalog";
                         return (is_catalog && is_read_operator(op.name, session_.server_version)) ||
                                is_named(op);
                       }) &&
           std::all_of(facts_.attributes.begin(), facts_.attributes.end(),
                       [&](const sql::Attribute& attribute) {
                         const bool may_call = attribute.is_of_expression ? !is_catalog_output(attribute.name)
                                                                          : may_take_a_row(attribute);
                         return !may_call || is_named(attribute);
                       });
  }
  bool is_column_within(const Rule& rule, std::string_view column) const {
    return std::any_of(rule.columns.begin(), rule.columns.end(), [&](const Text& pattern) {
      if (!matches_part(pattern.parts.back(), column, Doubt::no)) return false;
      const std::span<const NamePart> wanted = std::span(pattern.parts).first(pattern.parts.size() - 1);
      return wanted.empty() ||
             std::all_of(facts_.relations.begin(), facts_.relations.end(), [&](const auto& relation) {
               return admits_name(relation, session_, [&](std::string_view schema, std::string_view name) {
                 return matches_name(wanted, schema, name, Doubt::no);
               });
             });
    });
  }

  void judge_allow() {
    if (!access_.has_allow) return;
    for (const Policy* policy : access_.policies) {
      for (const Rule& rule : policy->allow) {
        if (!is_within(rule)) continue;
        decision_.allowed_by = rule.label;
        admit(name_of(*policy) + ": allow " + rule.where, "the statement is within the rule");
        return;
      }
    }
    refuse("allow", "no allow rule of your policies covers this statement", "", 0);
  }

  const Access& access_;
  const Facts& facts_;
  const SessionFacts& session_;
  std::vector<Finding>* findings_;
  Decision decision_;
};

Decision refused(std::string rule, std::string message, std::string hint) {
  Decision decision;
  decision.is_allowed = false;
  decision.rule = std::move(rule);
  decision.message = std::move(message);
  decision.hint = std::move(hint);
  return decision;
}

Decision no_access() {
  return refused("access", "you have no access to this target", "Ask for a policy that names it.");
}

}  // namespace

Decision decide_facts(const Access& access, const Facts& facts, const SessionFacts& session,
                      std::vector<Finding>* findings) {
  if (!access.is_granted()) return no_access();
  return Judge(access, facts, session, findings).decide();
}

Decision decide_text(const Access& access, std::string_view text, Scratch& scratch,
                     std::vector<Match>& matches, std::vector<Finding>* findings) {
  if (!access.is_granted()) return no_access();
  if (!access.has_whitelist) return {};
  matches.clear();
  if (!access.whitelist.empty() && !access.set->patterns().scan(text, scratch, matches)) {
    return refused("whitelist", "the statement could not be compared with the whitelist", "");
  }
  const auto is_listed = [&](const Match& match) {
    return std::binary_search(access.whitelist.begin(), access.whitelist.end(), match.id);
  };
  const Match* first = nullptr;
  for (const Match& match : matches) {
    if (!is_listed(match)) continue;
    if (first == nullptr || std::tie(match.end, match.id) < std::tie(first->end, first->id)) first = &match;
  }
  if (first != nullptr) {
    Decision listed;
    listed.allowed_by = access.set->pattern_label(first->id);
    listed.allowed_within = access.set->patterns().decided_within(text, *first).value_or(0);
    if (findings == nullptr) return listed;
    std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.id < b.id; });
    for (const Match& match : matches) {
      if (!is_listed(match)) continue;
      findings->push_back({"whitelist " + access.set->pattern(match.id).where,
                           "the pattern " + access.set->pattern(match.id).text + " matches", false,
                           sql::nowhere});
    }
    return listed;
  }
  Decision decision = refused("whitelist", "no whitelist pattern of your policies matches this statement",
                              "Each statement must match by its own text.");
  decision.at = 0;
  if (findings != nullptr) findings->push_back({decision.rule, decision.message, true, decision.at});
  return decision;
}

Decision decide_unknown(const Access& access, std::string_view reason) {
  if (!access.is_granted()) return no_access();
  if (access.is_unrestricted()) return {};
  return refused("analysis", "the statement cannot be analysed, so it is refused: " + std::string(reason),
                 "Only a user whose access is unrestricted may run what cannot be analysed.");
}

Decision decide_unparsed(const Access& access, std::string_view reason, const SessionFacts& session) {
  const std::string grammar = "PostgreSQL " + std::to_string(sql::grammar_version);
  Decision decision = decide_unknown(
      access, std::string(reason) + " (Ringfence reads statements by the grammar of " + grammar +
                  "; the server is version " + std::to_string(session.server_version) + ")");
  if (decision.is_allowed || session.server_version <= sql::grammar_version || !access.is_granted())
    return decision;
  decision.hint = "What came after " + grammar +
                  " is not known here: subqueries in FROM without an alias, 1_000 and 0xFF, IS JSON, "
                  "JSON_TABLE and other SQL/JSON "
                  "functions, AT LOCAL, MERGE ... RETURNING. Write it in the older form; only a user whose "
                  "access is unrestricted "
                  "(level admin without whitelist, allow and deny) may run what cannot be analysed.";
  return decision;
}

std::string refuse_startup_setting(const Access& access, std::string_view name, std::string_view value) {
  sql::Setting setting;
  setting.name = name;
  setting.values.emplace_back(value);
  // What the session has anyway at this level; the value does not matter.
  if (name == "default_transaction_read_only") return "";
  if (access.level != Level::admin && is_set_by_login_alone(name))
    return "only a login sets it, which SET may not";
  return refuse_setting(setting, access.level);
}

Decision decide_function_call(const Access& access, uint32_t oid, const SessionFacts& session) {
  if (!access.is_granted()) return no_access();
  if (access.is_unrestricted()) return {};
  // A function of large objects is all that a rule about functions or kinds could look at; the others look at
  // more than a number.
  const std::string_view large_object = large_object_function(oid);
  if (!large_object.empty() && is_write_function(large_object) && access.level >= Level::write &&
      !access.has_whitelist && !access.has_allow && !access.has_hold) {
    sql::Facts facts;
    facts.kind = "select";
    facts.functions.push_back({"pg_catalog", std::string(large_object), sql::nowhere});
    return decide_facts(access, facts, session);
  }
  // The call names no schema, relation or text that a rule could look at.
  if (!access.has_whitelist && !access.has_allow && !access.has_deny && !access.has_hold &&
      (access.level == Level::admin || is_read_function_oid(oid, session.server_version))) {
    return {};
  }
  return refused("functions",
                 "a call of the function with OID " + std::to_string(oid) +
                     " by the FunctionCall message is not allowed here",
                 "Call it in a SELECT.");
}

}  // namespace ringfence::policy
