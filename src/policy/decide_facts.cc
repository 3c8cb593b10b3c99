// The decision by a statement's facts: everything but the whitelist.
#include <algorithm>

#include "catalog.h"
#include "closed.h"
#include "refused.h"
#include "rule_match.h"
#include "settings.h"
#include "subject.h"
#include "system_rows.h"

namespace ringfence::policy {
namespace {

using sql::Facts;

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
      : subject_{access, facts, session},
        access_(access),
        facts_(facts),
        session_(session),
        findings_(findings) {}

  Decision decide() {
    judge_level();
    judge_copy();
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
    if (subject_.is_lifting_told()) return "A policy can admit it by name, in its key functions.";
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
      if (const Policy* policy = subject_.admits_kind(effect.kind)) {
        admit_beyond(*policy, effect.what + " is admitted by kinds", effect.at);
        if (facts_.is_opaque) decision_.calls_named_functions = true;
        continue;
      }
      if (effect.kind == "call" && !facts_.functions.empty() &&
          subject_.admits_function(facts_.functions.front()) != nullptr) {
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

  void judge_copy() {
    if (!access_.blocks_copy() || !facts_.kind.starts_with("copy_")) return;
    refuse(access_.grant->label() + ": block_copy", "your grant on this target admits no COPY",
           "Ask for a grant without block_copy.", 0);
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
      if (const Policy* policy = subject_.admits_function(function)) {
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
      if (const Policy* policy = subject_.admits_function(attribute)) {
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
      if (const Policy* policy = subject_.admits_function(op)) {
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
      if (const Policy* policy = subject_.admits_function(relation)) {
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
    return secret != nullptr && subject_.names_column_or_all(secret->column);
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
      if (!subject_.names_column_or_all(closed->column)) continue;
      refuse_closed(relation.name + (closed->column.empty() ? "" : "." + std::string(closed->column)),
                    relation.at);
    }
    const auto look_at = [&](const sql::Name& function) {
      if (!is_closed_function(function.name) || subject_.admits_function(function) != nullptr) return;
      refuse_closed("the function " + function.name, function.at);
    };
    std::for_each(facts_.functions.begin(), facts_.functions.end(), look_at);
    std::for_each(facts_.attributes.begin(), facts_.attributes.end(), look_at);
  }
  void refuse_closed(const std::string& what, sql::Place at) {
    refuse("catalog",
           what + " would show what the rules of your policies about relations and columns keep back",
           "A policy can open it with the key catalog: open.", at);
  }

  void judge_deny() {
    if (!access_.has_deny) return;
    for (const Policy* policy : access_.policies) {
      for (const Rule& rule : policy->deny) {
        sql::Place at = sql::nowhere;
        if (!meets_rule(subject_, rule, at)) continue;
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
        if (!meets_rule(subject_, rule, at)) continue;
        const std::string name = name_of(*policy) + ": hold " + rule.where;
        if (findings_ != nullptr) findings_->push_back({name, "the statement waits to be released", false});
        decision_.hold_rule += (decision_.hold_ms == 0 ? "" : ", ") + name;
        decision_.hold_ms =
            decision_.hold_ms == 0 ? rule.timeout_ms : std::min(decision_.hold_ms, rule.timeout_ms);
      }
    }
  }

  void judge_allow() {
    if (!access_.has_allow) return;
    for (const Policy* policy : access_.policies) {
      for (const Rule& rule : policy->allow) {
        if (!is_within_rule(subject_, rule)) continue;
        decision_.allowed_by = rule.label;
        admit(name_of(*policy) + ": allow " + rule.where, "the statement is within the rule");
        return;
      }
    }
    refuse("allow", "no allow rule of your policies covers this statement", "", 0);
  }

  const Subject subject_;
  const Access& access_;
  const Facts& facts_;
  const SessionFacts& session_;
  std::vector<Finding>* findings_;
  Decision decision_;
};

}  // namespace

Decision decide_facts(const Access& access, const Facts& facts, const SessionFacts& session,
                      std::vector<Finding>* findings) {
  if (!access.is_granted()) return no_access();
  if (!access.suspended_because.empty()) return suspended(access);
  return Judge(access, facts, session, findings).decide();
}

}  // namespace ringfence::policy
