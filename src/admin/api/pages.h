// Files that are compiled in: the page that shows the API's description, and schemas.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/model/json.h"

namespace ringfence::admin {

struct Page {
  std::string_view name;  // "docs.html"
  std::string_view media_type;
  std::string_view text;
};
// There is one of this name: names stand in code.
const Page& page(std::string_view name);
// pages/schemas.json.
const model::Json& schemas_in_file();

}  // namespace ringfence::admin
