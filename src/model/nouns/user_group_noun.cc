// Users who get the same grants. A membership stands at the user.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

std::string check_user_group_name(std::string_view name) { return check_simple_name(name, 63); }

constexpr Field user_group_fields[] = {
    {.name = "name",
     .description = "The group's name.",
     .is_required = true,
     .is_fixed = true,
     .is_filter = true,
     .is_sorted = true,
     .min = 1,
     .max = 63,
     .check = check_user_group_name},
    {.name = "description", .description = "For people.", .max = 1'000},
};

}  // namespace

const Noun user_group_noun = {.name = "user_group",
                              .plural = "groups",
                              .description = "Users who get the same grants.",
                              .fields = user_group_fields};

}  // namespace ringfence::model
