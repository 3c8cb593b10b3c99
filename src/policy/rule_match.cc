#include "rule_match.h"

#include <span>

#include "catalog.h"

namespace ringfence::policy {
namespace {

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

bool meets_column(const Subject& subject, const Text& pattern, sql::Place& at) {
  const std::span<const NamePart> relation_wanted = std::span(pattern.parts).first(pattern.parts.size() - 1);
  const auto is_meant_by = [&](const std::vector<sql::RelationUse>& uses) {
    return std::any_of(uses.begin(), uses.end(),
                       [&](const sql::RelationUse& use) { return meets(relation_wanted, use); });
  };
  if (!relation_wanted.empty() && !is_meant_by(subject.facts.relations) &&
      !is_meant_by(subject.facts.reached))
    return false;
  for (const sql::ColumnUse& column : subject.facts.columns) {
    if (matches_part(pattern.parts.back(), column.name, Doubt::yes)) {
      at = column.at;
      return true;
    }
  }
  return subject.names_every_column(at);
}

bool is_relation_within(const Subject& subject, const Rule& rule, const sql::RelationUse& relation) {
  return admits_name(relation, subject.session, [&](std::string_view schema, std::string_view name) {
    return std::any_of(rule.relations.begin(), rule.relations.end(), [&](const Text& pattern) {
      return relation.is_every ? covers_all_of(pattern.parts, schema)
                               : matches_name(pattern.parts, schema, name, Doubt::no);
    });
  });
}

// Functions, operators of one's own, and the names behind a dot that are calls or may be.
bool are_calls_within(const Subject& subject, const Rule& rule) {
  const auto is_named = [&](const sql::Name& call) {
    return admits_name(call, subject.session, [&](std::string_view schema, std::string_view name) {
      return any_matches(rule.functions, schema, name, Doubt::no);
    });
  };
  return std::all_of(subject.facts.functions.begin(), subject.facts.functions.end(), is_named) &&
         std::all_of(subject.facts.operators.begin(), subject.facts.operators.end(),
                     [&](const sql::Name& op) {
                       const bool is_catalog = op.schema.empty() || op.schema == "pg_catalog";
                       return (is_catalog && is_read_operator(op.name, subject.session.server_version)) ||
                              is_named(op);
                     }) &&
         std::all_of(subject.facts.attributes.begin(), subject.facts.attributes.end(),
                     [&](const sql::Attribute& attribute) {
                       const bool may_call = attribute.is_of_expression ? !is_catalog_output(attribute.name)
                                                                        : subject.may_take_a_row(attribute);
                       return !may_call || is_named(attribute);
                     });
}

bool is_column_within(const Subject& subject, const Rule& rule, std::string_view column) {
  return std::any_of(rule.columns.begin(), rule.columns.end(), [&](const Text& pattern) {
    if (!matches_part(pattern.parts.back(), column, Doubt::no)) return false;
    const std::span<const NamePart> wanted = std::span(pattern.parts).first(pattern.parts.size() - 1);
    return wanted.empty() ||
           std::all_of(subject.facts.relations.begin(), subject.facts.relations.end(),
                       [&](const auto& relation) {
                         return admits_name(relation, subject.session,
                                            [&](std::string_view schema, std::string_view name) {
                                              return matches_name(wanted, schema, name, Doubt::no);
                                            });
                       });
  });
}

}  // namespace

bool meets_rule(const Subject& subject, const Rule& rule, sql::Place& at) {
  if (rule.missing_where && !subject.facts.misses_where) return false;
  if (!rule.kinds.empty() && !kind_matches(rule.kinds, subject.facts.kind) &&
      std::none_of(subject.facts.effects.begin(), subject.facts.effects.end(),
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
    if (!is_met_by(subject.facts.relations) && !is_met_by(subject.facts.reached)) return false;
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
    if (!is_met_by(subject.facts.functions) && !is_met_by(subject.facts.attributes) &&
        !is_met_by(subject.facts.operators))
      return false;
  }
  return rule.columns.empty() ||
         std::any_of(rule.columns.begin(), rule.columns.end(),
                     [&](const Text& pattern) { return meets_column(subject, pattern, at); });
}

bool is_within_rule(const Subject& subject, const Rule& rule) {
  if (!rule.kinds.empty()) {
    if (!kind_matches(rule.kinds, subject.facts.kind)) return false;
    for (const sql::Effect& effect : subject.facts.effects) {
      // What PREPARE, DECLARE, COPY and EXPLAIN read is within their own kinds.
      if (effect.level == Level::read || effect.kind == subject.facts.kind) continue;
      if (!kind_matches(rule.kinds, effect.kind)) return false;
    }
  }
  const auto are_within = [&](const std::vector<sql::RelationUse>& uses) {
    return std::all_of(uses.begin(), uses.end(),
                       [&](const auto& use) { return is_relation_within(subject, rule, use); });
  };
  if (!rule.relations.empty() && !(are_within(subject.facts.relations) && are_within(subject.facts.reached)))
    return false;
  if (!rule.functions.empty() && !are_calls_within(subject, rule)) return false;
  // Nobody sees which relations DO and CALL touch, nor what DO calls.
  if (subject.facts.is_opaque && (!rule.relations.empty() || !rule.columns.empty())) return false;
  if (subject.facts.is_opaque && !rule.functions.empty() && subject.facts.functions.empty()) return false;
  if (rule.columns.empty()) return true;
  if (sql::Place at = sql::nowhere; subject.names_every_column(at)) return false;
  return std::all_of(subject.facts.columns.begin(), subject.facts.columns.end(),
                     [&](const sql::ColumnUse& column) {
                       return is_column_within(subject, rule, column.name) &&
                              (!subject.session.folds_beyond_ascii ||
                               is_column_within(subject, rule, fold_beyond_ascii(column.name)));
                     });
}

}  // namespace ringfence::policy
