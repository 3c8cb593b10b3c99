#include "ringfence/model/json_fields.h"

#include <nlohmann/json.hpp>

#include "ringfence/model/timestamp.h"

namespace ringfence::model {

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

uint64_t time_in(const Json& object, const char* name) {
  const std::string at = text_in(object, name);
  return at.empty() ? 0 : parse_rfc3339(at).value_or(1);
}

}  // namespace ringfence::model
