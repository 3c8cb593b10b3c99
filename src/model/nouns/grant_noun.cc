// Grants: what a user or a group may do on a target, for how long and how much.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/grant.h"
#include "ringfence/model/level.h"
#include "ringfence/model/schedule.h"

namespace ringfence::model {

namespace {

constexpr std::string_view origins[] = {"administrator", "request", "break_glass"};

constexpr Field bound_field(std::string_view name, std::string_view description, int64_t max = number_max) {
  return {.name = name, .kind = FieldKind::integer, .description = description, .min = 1, .max = max};
}

constexpr Field grant_fields[] = {
    {.name = "user",
     .kind = FieldKind::reference,
     .description = "Who gets it; either a user or a group.",
     .is_fixed = true,
     .is_filter = true,
     .of = "user",
     .declared_names = "declared_user"},
    {.name = "group",
     .kind = FieldKind::reference,
     .description = "Whose members get it.",
     .is_fixed = true,
     .is_filter = true,
     .of = "user_group"},
    {.name = "target",
     .kind = FieldKind::reference,
     .description = "On what; either a target, a group of targets or a tag.",
     .is_fixed = true,
     .is_filter = true,
     .of = "target",
     .declared_names = "declared_target"},
    {.name = "target_group",
     .kind = FieldKind::reference,
     .description = "On the targets that are in it.",
     .is_fixed = true,
     .is_filter = true,
     .of = "target_group"},
    {.name = "tag",
     .description = "On the targets that have it. \"*\" is on every target.",
     .is_fixed = true,
     .is_filter = true,
     .min = 1,
     .max = 64,
     .check = check_tag},
    {.name = "level",
     .description = "What statements it admits.",
     .is_filter = true,
     .max = 8,
     .choices = level_names,
     .default_json = "\"read\""},
    {.name = "controls",
     .kind = FieldKind::texts,
     .description = "read_only: level read at most. block_ddl: level write at most. block_copy: no COPY.",
     .max = 3,
     .choices = grant_controls},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A grant that is not enabled is as if it were not there.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "starts_at", .kind = FieldKind::time, .description = "Before that it gives nothing."},
    {.name = "expires_at",
     .kind = FieldKind::time,
     .description = "From then on it gives nothing.",
     .is_sorted = true},
    {.name = "days",
     .kind = FieldKind::texts,
     .description = "On which days of the week; none: on all of them.",
     .max = 7,
     .choices = weekday_names},
    {.name = "hours_from",
     .description = "From what time of these days, \"08:30\"; null: from their beginning.",
     .min = 5,
     .max = 5,
     .check = check_time_of_day},
    {.name = "hours_until",
     .description =
         "Until what time, \"17:00\"; not after hours_from: of the next day. null: until midnight.",
     .min = 5,
     .max = 5,
     .check = check_time_of_day},
    {.name = "time_zone",
     .description = "Of days and hours, \"Europe/Berlin\"; null: UTC.",
     .min = 1,
     .max = 64,
     .check = check_time_zone},
    bound_field("max_queries", "So many statements in all, of all sessions on all nodes."),
    bound_field("max_bytes", "So many bytes to clients in all."),
    bound_field("max_rows", "So many rows to clients in all."),
    bound_field("statement_rows", "So many rows of one statement."),
    bound_field("statement_bytes", "So many bytes of one statement to its client."),
    bound_field("statement_ms", "So long may one statement run, in milliseconds.", 86'400'000),
    {.name = "priority",
     .kind = FieldKind::integer,
     .description = "Of several grants the one of the highest priority decides.",
     .is_sorted = true,
     .max = grant_priority_max,
     .default_json = "0"},
    {.name = "reason", .description = "Why, for people.", .max = 1'000},
    {.name = "origin",
     .description = "How it came about.",
     .exposure = Exposure::read_only,
     .is_filter = true,
     .max = 16,
     .choices = origins,
     .default_json = "\"administrator\""},
    declared_name_field("declared_user", "user"),
    declared_name_field("declared_target", "target"),
    not_declared_field(),
};

Defects check_grant(const Json& record) {
  Defects out;
  if (count_given(record, {"user", "group"}) != 1)
    out.push_back({"user", "is who gets the grant: give either a user or a group"});
  if (count_given(record, {"target", "target_group", "tag"}) != 1)
    out.push_back({"target", "is what the grant is on: give a target, a target_group or a tag"});
  if (count_given(record, {"starts_at", "expires_at"}) == 2 &&
      record.at("starts_at").get<std::string>() >= record.at("expires_at").get<std::string>())
    out.push_back({"expires_at", "is not after starts_at"});
  if (!record.at("time_zone").is_null() && count_given(record, {"hours_from", "hours_until"}) == 0 &&
      record.at("days").empty())
    out.push_back({"time_zone", "has no meaning without days or hours; remove it or add them"});
  return out;
}

}  // namespace

size_t count_given(const Json& record, std::initializer_list<const char*> fields) {
  size_t out = 0;
  for (const char* field : fields) out += record.at(field).is_null() ? 0 : 1;
  return out;
}

const Noun grant_noun = {.name = "grant",
                         .plural = "grants",
                         .description = "What a user or a group may do on a target.",
                         .fields = grant_fields,
                         .check = check_grant};

}  // namespace ringfence::model
