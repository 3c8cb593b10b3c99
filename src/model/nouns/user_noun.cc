// People and programs who log in.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/model/user.h"

namespace ringfence::model {

namespace {

constexpr Field user_fields[] = {
    name_field("What the user logs in with.", 63, check_identifier),
    {.name = "display_name", .description = "For people.", .is_filter = true, .max = 200},
    {.name = "email", .description = "Where the user is reached.", .is_filter = true, .max = 254},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A user who is not enabled logs in nowhere; open sessions end.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "roles",
     .kind = FieldKind::references,
     .description = "Roles: what policies and scopes speak of.",
     .is_filter = true,
     .max = User::roles_max,
     .of = "role"},
    {.name = "groups",
     .kind = FieldKind::references,
     .description = "Groups that the user is a member of.",
     .is_filter = true,
     .max = 64,
     .of = "user_group"},
    {.name = "password",
     .description = "Kept as an Argon2id hash and a SCRAM verifier; neither is shown.",
     .exposure = Exposure::write_only,
     .min = 1,
     .max = password_bytes_max},
    {.name = "must_change_password",
     .kind = FieldKind::boolean,
     .description = "Until the user has set a new password, nothing else is possible.",
     .default_json = "false"},
    {.name = "expires_at", .kind = FieldKind::time, .description = "From then on the user logs in nowhere."},
    {.name = "password_set_at",
     .kind = FieldKind::time,
     .description = "When the password was set; null: there is none.",
     .exposure = Exposure::read_only},
    {.name = "password_hash", .description = "", .exposure = Exposure::hidden, .max = 512},
    {.name = "verifier", .description = "", .exposure = Exposure::hidden, .max = 512},
};

}  // namespace

const Noun user_noun = {.name = "user",
                        .plural = "users",
                        .description = "People and programs who log in.",
                        .fields = user_fields};

}  // namespace ringfence::model
