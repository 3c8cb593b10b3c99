// What a record has of a text.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/sql/redact.h"

namespace ringfence::sql {

inline std::string redacted(std::string_view text) {
  auto out = redact(text);
  return out ? out->text : std::string(text);
}

}  // namespace ringfence::sql
