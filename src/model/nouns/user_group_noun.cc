// Users who get the same grants. A membership stands at the user.
#include <nlohmann/json.hpp>

#include "nouns.h"

namespace ringfence::model {

namespace {

constexpr Field user_group_fields[] = {
    name_field("The group's name.", 63, check_short_name),
    {.name = "description", .description = "For people.", .max = 1'000},
};

}  // namespace

const Noun user_group_noun = {.name = "user_group",
                              .plural = "groups",
                              .description = "Users who get the same grants.",
                              .fields = user_group_fields};

}  // namespace ringfence::model
