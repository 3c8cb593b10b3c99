// Targets that the same grants name. A membership stands at the target.
#include <nlohmann/json.hpp>

#include "nouns.h"

namespace ringfence::model {

namespace {

constexpr Field target_group_fields[] = {
    name_field("The group's name.", 63, check_short_name),
    {.name = "description", .description = "For people.", .max = 1'000},
};

}  // namespace

const Noun target_group_noun = {.name = "target_group",
                                .plural = "target-groups",
                                .description = "Targets that the same grants name.",
                                .fields = target_group_fields};

}  // namespace ringfence::model
