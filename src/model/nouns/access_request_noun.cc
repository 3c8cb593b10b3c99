// Access requests: what a user asks for, and what became of that.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/level.h"

namespace ringfence::model {

namespace {

constexpr int64_t request_s_max = int64_t{30} * 24 * 3600;
constexpr std::string_view states[] = {"pending", "approved", "denied", "cancelled", "expired"};

constexpr Field access_request_fields[] = {
    {.name = "user",
     .kind = FieldKind::reference,
     .description = "Who asks, and gets the access.",
     .exposure = Exposure::read_only,
     .is_fixed = true,
     .is_filter = true,
     .of = "user"},
    {.name = "target",
     .kind = FieldKind::reference,
     .description = "To what; either a target, a group of targets or a tag.",
     .is_fixed = true,
     .is_filter = true,
     .of = "target",
     .declared_names = "declared_target"},
    {.name = "target_group",
     .kind = FieldKind::reference,
     .description = "To the targets that are in it.",
     .is_fixed = true,
     .is_filter = true,
     .of = "target_group"},
    {.name = "tag",
     .description = "To the targets that have it. \"*\" is on every target.",
     .is_fixed = true,
     .is_filter = true,
     .min = 1,
     .max = 64,
     .check = check_tag},
    {.name = "level",
     .description = "What statements the grant admits.",
     .is_fixed = true,
     .is_filter = true,
     .max = 8,
     .choices = level_names,
     .default_json = "\"read\""},
    {.name = "controls",
     .kind = FieldKind::texts,
     .description = "As those of a grant.",
     .is_fixed = true,
     .max = 3,
     .choices = grant_controls},
    {.name = "duration_s",
     .kind = FieldKind::integer,
     .description = "For how many seconds: from starts_at on, or from the approval where that is later.",
     .is_required = true,
     .is_fixed = true,
     .min = 1,
     .max = request_s_max},
    {.name = "starts_at",
     .kind = FieldKind::time,
     .description = "The grant gives nothing before that; at most 30 days ahead.",
     .is_fixed = true},
    fixed_bound("max_queries", "So many statements in all."),
    fixed_bound("max_bytes", "So many bytes to clients in all."),
    fixed_bound("max_rows", "So many rows to clients in all."),
    {.name = "justification",
     .description = "Why, for who decides. The grant has it as its reason.",
     .is_required = true,
     .is_fixed = true,
     .min = 1,
     .max = 1'000},
    {.name = "expires_at",
     .kind = FieldKind::time,
     .description = "A request that nobody has decided by then expires: at most 7 days ahead; a day where "
                    "nothing is given.",
     .is_fixed = true,
     .is_sorted = true},
    {.name = "state",
     .description = "What became of it.",
     .exposure = Exposure::read_only,
     .is_filter = true,
     .max = 16,
     .choices = states,
     .default_json = "\"pending\""},
    {.name = "decided_by",
     .description = "Who approved, denied or cancelled it; \"rule NAME\": a rule did.",
     .exposure = Exposure::read_only,
     .max = 1'000},
    {.name = "decided_at",
     .kind = FieldKind::time,
     .description = "When that was.",
     .exposure = Exposure::read_only},
    {.name = "decision_reason",
     .description = "Why, by who decided.",
     .exposure = Exposure::read_only,
     .max = 1'000},
    {.name = "grant",
     .description = "The id of the grant that the approval made; it may have been deleted since.",
     .exposure = Exposure::read_only,
     .max = 36},
    declared_name_field("declared_target", "target"),
    not_declared_field(),
};

Defects check_access_request(const Json& record) {
  if (count_given(record, {"target", "target_group", "tag"}) == 1) return {};
  return {{"target", "is what the request is for: give a target, a target_group or a tag"}};
}

}  // namespace

const Noun access_request_noun = {.name = "access_request",
                                  .plural = "access-requests",
                                  .description = "What users ask to be granted, and what became of that.",
                                  .fields = access_request_fields,
                                  .check = check_access_request,
                                  .is_request = true};

}  // namespace ringfence::model
