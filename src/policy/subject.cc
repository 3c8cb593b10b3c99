#include "subject.h"

#include "catalog.h"

namespace ringfence::policy {

bool any_matches(const std::vector<Text>& patterns, std::string_view schema, std::string_view name,
                 Doubt doubt) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Text& pattern) { return matches_name(pattern.parts, schema, name, doubt); });
}

bool kind_matches(const std::vector<Text>& patterns, std::string_view kind) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Text& pattern) { return matches_wildcard(pattern.text, kind); });
}

const Policy* Subject::admits_kind(std::string_view kind) const {
  if (facts.is_opaque && !is_lifting_told()) return nullptr;
  for (const Policy* policy : access.policies) {
    if (kind_matches(policy->kinds, kind)) return policy;
  }
  return nullptr;
}

bool Subject::is_lifting_told() const {
  return access.level != Level::read || (session.server_version >= 14 && session.is_server_read_only);
}

const Policy* Subject::admits_function(const sql::Name& function) const {
  if (!is_lifting_told()) return nullptr;
  for (const Policy* policy : access.policies) {
    const auto is_named = [&](std::string_view schema, std::string_view name) {
      return any_matches(policy->functions, schema, name, Doubt::no);
    };
    if (admits_name(function, session, is_named)) return policy;
  }
  return nullptr;
}

bool Subject::names_column_or_all(std::string_view name) const {
  sql::Place at = sql::nowhere;
  return name.empty() || names_column(name) || names_every_column(at);
}

bool Subject::names_column(std::string_view name) const {
  return std::any_of(facts.columns.begin(), facts.columns.end(),
                     [&](const auto& column) { return column.name == name; }) ||
         std::any_of(facts.attributes.begin(), facts.attributes.end(),
                     [&](const auto& one) { return one.name == name; });
}

bool Subject::may_take_a_row(const sql::Attribute& attribute) const {
  if (is_row_function(attribute.name, session.server_version)) return true;
  return std::any_of(access.policies.begin(), access.policies.end(), [&](const Policy* policy) {
    return std::any_of(policy->functions.begin(), policy->functions.end(), [&](const Text& named) {
      const NamePart& name = named.parts.back();
      return name.text.find('*') == name.text.npos && matches_part(name, attribute.name, Doubt::yes);
    });
  });
}

bool Subject::names_every_column(sql::Place& at) const {
  const bool is_about_all = std::any_of(facts.reached.begin(), facts.reached.end(),
                                        [](const sql::RelationUse& use) { return use.is_every; });
  if (facts.relations.empty() && !is_about_all) return false;
  if (facts.names_every_column) return true;
  const auto found = std::find_if(facts.attributes.begin(), facts.attributes.end(),
                                  [&](const sql::Attribute& attribute) { return may_take_a_row(attribute); });
  if (found == facts.attributes.end()) return false;
  at = found->at;
  return true;
}

}  // namespace ringfence::policy
