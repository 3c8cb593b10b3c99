#include "ringfence/model/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace ringfence::model {

namespace {

constexpr int64_t integer_max = (int64_t{1} << 53) - 1;

// Before parsing: values of many levels need much stack when they are destroyed.
bool is_too_deep(ByteView text) {
  int depth = 0;
  bool is_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_text) {
      if (c == '\\') ++i;
      else if (c == '"') is_text = false;
    } else if (c == '"') {
      is_text = true;
    } else if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// What is wrong with a value that parsed, or an empty text.
std::string check_value(const Json& json) {
  if (json.is_number_float()) return "holds a number with a fraction or an exponent; use whole numbers";
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(integer_max))
    return "holds a number beyond 53 bits";
  if (json.is_number_integer() && !json.is_number_unsigned() && json.get<int64_t>() < -integer_max)
    return "holds a number beyond 53 bits";
  if (json.is_string() && json.get_ref<const std::string&>().find('\0') != std::string::npos)
    return "holds a text with a NUL";
  if (!json.is_structured()) return "";
  for (const Json& inner : json) {
    if (std::string wrong = check_value(inner); !wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace

Result<Json> parse_json(ByteView text) {
  if (is_too_deep(text))
    return fail(Fault::malformed, "has more than " + std::to_string(json_depth_max) + " levels");
  std::vector<std::set<std::string>> names;
  std::string twice;
  const auto see = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event != Json::parse_event_t::key) return true;
    const bool is_first = names.back().insert(parsed.get<std::string>()).second;
    if (!is_first && twice.empty()) twice = parsed.get<std::string>();
    return true;
  };
  Json out = Json::parse(text.begin(), text.end(), see, false);
  if (out.is_discarded()) return fail(Fault::malformed, "is no JSON");
  if (!twice.empty()) return fail(Fault::malformed, "has the name \"" + twice + "\" twice in one object");
  if (std::string wrong = check_value(out); !wrong.empty()) return fail(Fault::malformed, wrong);
  return out;
}

std::string canonical_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ringfence::model
