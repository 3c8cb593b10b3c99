// Policies: who may do what on which targets. docs/policy.md says what each key means.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/level.h"
#include "ringfence/model/policy_record.h"
#include "ringfence/model/policy_rules.h"
#include "ringfence/model/target_rules.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::model {

namespace {

constexpr int64_t items_max = 1'000;
constexpr int64_t rules_max = 100;
constexpr std::string_view matches[] = {"all", "any"};
constexpr std::string_view catalogs[] = {"closed", "open"};

constexpr Field names_field(std::string_view name, std::string_view description) {
  return {.name = name, .kind = FieldKind::texts, .description = description, .max = items_max};
}

constexpr Field kinds_field = names_field("kinds", "Kinds of statement: \"update\", \"drop_*\".");
constexpr Field functions_field = names_field("functions", "Functions: \"name\", \"schema.name\", with *.");

constexpr Field allow_parts[] = {
    kinds_field,
    names_field("relations", "Relations: \"table\", \"schema.table\", with *."),
    names_field("columns", "Columns: \"column\", \"table.column\", \"schema.table.column\", with *."),
    functions_field,
};
constexpr Field deny_parts[] = {
    allow_parts[0],
    allow_parts[1],
    allow_parts[2],
    allow_parts[3],
    {.name = "missing_where",
     .kind = FieldKind::boolean,
     .description = "An UPDATE, DELETE or MERGE without a condition that depends on the row.",
     .default_json = "false"},
    {.name = "message",
     .description = "What the user is told who is refused.",
     .max = policy_message_bytes_max},
};

constexpr Field policy_fields[] = {
    name_field("In the trail and in messages.", 63, check_short_name),
    {.name = "description", .description = "For people.", .max = 1'000},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A policy that is not enabled is as if it were not there.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "roles",
     .kind = FieldKind::texts,
     .description = "Names of roles: a user with one of them is meant. \"*\" is everybody.",
     .is_required = true,
     .min = 1,
     .max = items_max},
    {.name = "tags",
     .kind = FieldKind::texts,
     .description = "Tags of targets. Without any: targets without tags. \"*\" is on every target.",
     .max = target_tags_max},
    {.name = "tag_match",
     .description = "all: every tag is on the target; any: one is.",
     .max = 8,
     .choices = matches,
     .default_json = "\"all\""},
    {.name = "level",
     .description = "What statements it admits.",
     .is_filter = true,
     .max = 8,
     .choices = level_names,
     .default_json = "\"read\""},
    names_field("kinds", "Kinds of statement that it admits beyond its level."),
    names_field("functions", "Functions that it admits beyond its level."),
    {.name = "catalog",
     .description = "open: statistics and other people's statements are shown in spite of rules.",
     .max = 8,
     .choices = catalogs,
     .default_json = "\"closed\""},
    {.name = "whitelist",
     .kind = FieldKind::texts,
     .description =
         "Regular expressions: only statements that one of them matches pass. null: none is asked; an empty "
         "list admits nothing.",
     .is_nullable = true,
     .max = items_max},
    {.name = "allow",
     .kind = FieldKind::objects,
     .description = "With any, only statements that are wholly within one of them pass.",
     .max = rules_max,
     .parts = allow_parts},
    {.name = "deny",
     .kind = FieldKind::objects,
     .description = "A statement that meets one of them is refused, whatever allows it.",
     .max = rules_max,
     .parts = deny_parts},
    {.name = "metadata", .kind = FieldKind::labels, .description = "For people.", .max = policy_metadata_max},
};

// As the policy itself is checked, wherever it comes from.
Defects check_policy(const Json& record) {
  policy::Policy policy = policy_of(record, PolicyPlaces::fields);
  Defects out = defects(policy);
  std::vector<policy::Problem> problems;
  std::vector<policy::Policy> alone;
  alone.push_back(std::move(policy));
  (void)policy::PolicySet::compile(std::move(alone), problems);
  for (policy::Problem& problem : problems)
    out.push_back({std::move(problem.where), std::move(problem.message)});
  return out;
}

}  // namespace

const Noun policy_noun = {.name = "policy",
                          .plural = "policies",
                          .description = "Who may do what on which targets.",
                          .fields = policy_fields,
                          .check = check_policy};

}  // namespace ringfence::model
