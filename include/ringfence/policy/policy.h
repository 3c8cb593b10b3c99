// Policies as they are configured: who may do what on which targets.
//
// The meaning of every key is in docs/policy.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

using sql::Level;

// One part of a name in a rule: of `hr.Orders` there are two. Written as in SQL: without quotes PostgreSQL
// folds it.
struct NamePart {
  std::string text;    // As it means; of what was not quoted in small letters (ASCII).
  std::string folded;  // What stands for it where letters' case does not count.
  bool is_quoted = false;
  bool was_folded = false;  // It was written with capital letters that PostgreSQL folds.
};

// A text of the configuration with the place where it stands, "ringfence.yaml:12".
struct Text {
  std::string text;
  std::string where;
  std::vector<NamePart> parts = {};  // Of the name of a relation, column or function; made by PolicySet.
};

// Conditions that must all hold. Names are "name" or "schema.name" (columns: "column", "table.column",
// "schema.table.column"); `*` stands for any run of characters.
struct Rule {
  std::string where;
  std::vector<Text> kinds;
  std::vector<Text> relations;
  std::vector<Text> columns;
  std::vector<Text> functions;
  bool missing_where = false;
  std::string message;  // Told to the user who is refused.
  std::string label;    // "policy analysts: allow ringfence.yaml:31"; given by PolicySet.
};

// Statements that wait for somebody's word: what meets the conditions, as a deny rule's, is held.
struct HoldRule : Rule {
  uint64_t timeout_ms = 0;  // Then it does not run. Not 0.
};

struct Policy {
  std::string name;
  std::string where;
  std::vector<Text> roles;
  std::vector<Text> tags;
  bool matches_any_tag = false;  // tag_match: any
  Level level = Level::read;
  // Beyond the level: kinds of statement and functions that it admits.
  std::vector<Text> kinds;
  std::vector<Text> functions;
  std::optional<std::vector<Text>>
      whitelist;  // Absent is not the same as empty: an empty one admits nothing.
  std::vector<Rule> allow;
  std::vector<Rule> deny;
  std::vector<HoldRule> hold;
  // Its content is in doubt. Whoever it is about has no access at all, whatever other policies give: it may
  // have denied.
  bool is_closed = false;
  bool opens_catalog = false;  // catalog: open. Statistics and activity are shown in spite of rules.
  std::map<std::string, std::string> metadata;
  std::string label;  // "policy analysts"; given by PolicySet.
};

}  // namespace ringfence::policy
