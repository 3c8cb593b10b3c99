// What policies and scopes speak of.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/scope_form.h"

namespace ringfence::model {

namespace {

constexpr Field role_fields[] = {
    name_field("What policies name.", 63, check_short_name),
    {.name = "description", .description = "For people.", .max = 1'000},
    {.name = "parents",
     .kind = FieldKind::references,
     .description = "Roles whose permissions and policies this role has, too.",
     .max = 16,
     .of = "role"},
    {.name = "permissions",
     .kind = FieldKind::texts,
     .description = "Scopes of the API: \"audit:read\", \"audit:*\", \"*\".",
     .max = scopes_max,
     .check = check_scope},
    {.name = "priority",
     .kind = FieldKind::integer,
     .description = "Where roles are listed, the higher one stands first.",
     .is_sorted = true,
     .min = 0,
     .max = 1'000'000,
     .default_json = "0"},
    {.name = "owner", .description = "Who answers for the role, for people.", .is_filter = true, .max = 200},
    {.name = "built_in",
     .kind = FieldKind::boolean,
     .description = "Made by the appliance: neither changed nor deleted.",
     .exposure = Exposure::read_only,
     .default_json = "false"},
};

}  // namespace

const Noun role_noun = {.name = "role",
                        .plural = "roles",
                        .description = "What policies and scopes speak of.",
                        .fields = role_fields};

}  // namespace ringfence::model
