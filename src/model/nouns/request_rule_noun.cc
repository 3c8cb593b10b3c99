// Rules by which requests are approved without anybody asking an approver.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/level.h"
#include "ringfence/model/target_rules.h"

namespace ringfence::model {

namespace {

constexpr int64_t rule_s_max = int64_t{30} * 24 * 3600;
constexpr int64_t rule_links_max = 1'000;

constexpr Field request_rule_fields[] = {
    name_field("Requests that it approves name it.", 63, check_short_name),
    {.name = "description", .description = "For people.", .max = 1'000},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A rule that is not enabled approves nothing.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "roles",
     .kind = FieldKind::references,
     .description = "A request of a user with one of them is approved.",
     .is_required = true,
     .is_filter = true,
     .min = 1,
     .max = rule_links_max,
     .of = "role"},
    {.name = "targets",
     .kind = FieldKind::references,
     .description = "Requests for one of them.",
     .is_filter = true,
     .max = rule_links_max,
     .of = "target",
     .declared_names = "declared_targets"},
    {.name = "tags",
     .kind = FieldKind::texts,
     .description = "Requests for a target with one of them, or for the tag itself. \"*\" is every request.",
     .max = target_tags_max,
     .check = check_tag},
    {.name = "level",
     .description = "Up to which level.",
     .max = 8,
     .choices = level_names,
     .default_json = "\"read\""},
    {.name = "duration_s",
     .kind = FieldKind::integer,
     .description = "For how many seconds at most.",
     .is_required = true,
     .min = 1,
     .max = rule_s_max},
    {.name = "declared_targets",
     .kind = FieldKind::texts,
     .description = "Those of targets that are of the configuration file.",
     .exposure = Exposure::read_only,
     .max = rule_links_max},
    not_declared_field(),
};

Defects check_request_rule(const Json& record) {
  if (!record.at("targets").empty() || !record.at("tags").empty()) return {};
  return {{"targets", "say what may be asked for: give targets or tags"}};
}

}  // namespace

const Noun request_rule_noun = {.name = "request_rule",
                                .plural = "request-rules",
                                .description = "Which access requests are approved at once.",
                                .fields = request_rule_fields,
                                .check = check_request_rule};

}  // namespace ringfence::model
