// API keys: what a program proves itself with. The key itself is shown once, when it is made.
#include <nlohmann/json.hpp>

#include "nouns.h"
#include "ringfence/model/scope_form.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

std::string check_key_name(std::string_view name) { return check_simple_name(name, 100); }

constexpr Field key_fields[] = {
    name_field("What the key is for.", 100, check_key_name),
    {.name = "user",
     .kind = FieldKind::reference,
     .description = "Whose key it is; the one who asks, where nothing is said.",
     .is_fixed = true,
     .is_filter = true,
     .of = "user"},
    {.name = "scopes",
     .kind = FieldKind::texts,
     .description = "What the key may at most; never more than its user may. Empty: all that its user may.",
     .is_fixed = true,
     .max = scopes_max,
     .check = check_scope},
    {.name = "enabled",
     .kind = FieldKind::boolean,
     .description = "A key that is not enabled proves nothing.",
     .is_filter = true,
     .default_json = "true"},
    {.name = "expires_at",
     .kind = FieldKind::time,
     .description = "From then on the key proves nothing.",
     .is_sorted = true},
    {.name = "prefix",
     .description = "How the key begins: what it is looked up by.",
     .exposure = Exposure::read_only,
     .is_filter = true,
     .max = 16},
    {.name = "hash", .description = "", .exposure = Exposure::hidden, .max = 64},
    {.name = "verifier", .description = "", .exposure = Exposure::hidden, .max = 255},
    {.name = "last_used_at",
     .kind = FieldKind::time,
     .description = "When the key last proved something, up to a minute early; null: never.",
     .exposure = Exposure::observed},
};

}  // namespace

const Noun key_noun = {.name = "key",
                       .plural = "keys",
                       .description = "API keys: what a program proves itself with.",
                       .fields = key_fields};

}  // namespace ringfence::model
