// What is asked for without being a record: its fields are checked as a record's are.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/level.h"

namespace ringfence::model {

namespace {

constexpr int64_t break_glass_minutes_max = 240;

constexpr Field decision_fields[] = {
    {.name = "reason", .description = "Why, for who asked and for the trail.", .min = 1, .max = 1'000},
};

constexpr Field break_glass_fields[] = {
    {.name = "target",
     .kind = FieldKind::reference,
     .description = "On what; either a target, a group of targets or a tag.",
     .of = "target"},
    {.name = "target_group",
     .kind = FieldKind::reference,
     .description = "On the targets that are in it.",
     .of = "target_group"},
    {.name = "tag",
     .description = "On the targets that have it. \"*\" is on every target.",
     .min = 1,
     .max = 64,
     .check = check_tag},
    {.name = "level",
     .description = "What statements it admits.",
     .max = 8,
     .choices = level_names,
     .default_json = "\"read\""},
    {.name = "minutes",
     .kind = FieldKind::integer,
     .description = "For so long.",
     .min = 1,
     .max = break_glass_minutes_max,
     .default_json = "60"},
    {.name = "reason",
     .description = "Why, for who reads the event.",
     .is_required = true,
     .min = 10,
     .max = 1'000},
};

}  // namespace

const Noun& decision_form() {
  static const Noun form = {.name = "decision",
                            .plural = "decisions",
                            .description = "What becomes of a request.",
                            .fields = decision_fields};
  return form;
}

const Noun& break_glass_form() {
  static const Noun form = {.name = "break_glass",
                            .plural = "break-glass",
                            .description = "Access in an emergency.",
                            .fields = break_glass_fields};
  return form;
}

}  // namespace ringfence::model
