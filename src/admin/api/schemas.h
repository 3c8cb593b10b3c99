// The schemas of requests and answers (JSON Schema 2020-12, as OpenAPI 3.1 has it): those of nouns are made
// of their fields, the others stand in pages/schemas.json.
#pragma once

#include <string>

#include "ringfence/model/noun.h"

namespace ringfence::admin {

// "UserGroup"; a new one is "New…", a change "…Change", a page of them "…List".
std::string schema_name(const model::Noun& noun);
// All, by name.
model::Json schemas();

}  // namespace ringfence::admin
