#include "startup_filter.h"

#include <algorithm>
#include <optional>

#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

namespace {

using Settings = std::vector<pg::StartupParameter>;
using Refused = tl::unexpected<StartupRefusal>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

Refused not_allowed(std::string_view name) {
  return Refused({pg::sqlstate::insufficient_privilege,
                  "startup parameter \"" + std::string(name) + "\" is not allowed",
                  "Set it in the session if you may, or ask the appliance's operator."});
}

// No setting has another name; an application's own, with a dot, may have any.
bool may_be_setting(std::string_view name) {
  if (name.find('.') != name.npos) return !name.starts_with("_pq_.");
  // Of the packet they mean something else, and there only in small letters.
  if (name.empty() || name == "user" || name == "database" || name == "options" || name == "replication")
    return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

tl::expected<void, StartupRefusal> add(Settings& out, std::string_view name, std::string_view value) {
  std::string key = lower(name);
  if (!may_be_setting(key))
    return Refused({pg::sqlstate::undefined_object,
                    "unrecognized configuration parameter \"" + std::string(name) + "\"", ""});
  std::erase_if(out, [&](const pg::StartupParameter& each) { return each.name == key; });
  out.push_back({std::move(key), std::string(value)});
  return {};
}

// The words of `options` as the server splits them: at blanks, a backslash takes the next character as it is.
std::vector<std::string> words_of(std::string_view options) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  for (size_t i = 0; i < options.size(); ++i) {
    char c = options[i];
    bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    if (is_blank) {
      if (in_word) out.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\\' && i + 1 < options.size()) c = options[++i];
    word.push_back(c);
  }
  if (in_word) out.push_back(std::move(word));
  return out;
}

// `-c name=value`, `-cname=value` and `--name=value`; every other switch is refused. A dash in a name stands
// for `_` (guc.c: ParseLongOption).
tl::expected<void, StartupRefusal> add_options(Settings& out, std::string_view options) {
  std::vector<std::string> words = words_of(options);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    std::string_view setting;
    if (word == "-c" && i + 1 < words.size()) setting = words[++i];
    else if (word.starts_with("-c") && word.size() > 2) setting = word.substr(2);
    else if (word.starts_with("--")) setting = word.substr(2);
    else return not_allowed("options: " + std::string(word));
    size_t equals = setting.find('=');
    if (equals == std::string_view::npos) return not_allowed("options: " + std::string(setting));
    std::string name(setting.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    auto added = add(out, name, setting.substr(equals + 1));
    if (!added) return added;
  }
  return {};
}

}  // namespace

std::optional<bool> boolean_of(std::string_view value) {
  const std::string folded = lower(value);
  const auto begins = [&](std::string_view word, size_t letters) {
    return folded.size() >= letters && word.starts_with(folded);
  };
  if (folded == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2)) return true;
  if (folded == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)) return false;
  return std::nullopt;
}

tl::expected<std::vector<pg::StartupParameter>, StartupRefusal> requested_settings(
    const pg::StartupMessage& startup) {
  Settings out;
  if (const auto options = startup.find("options")) {
    auto added = add_options(out, *options);
    if (!added) return Refused(std::move(added).error());
  }
  for (const pg::StartupParameter& parameter : startup.parameters) {
    if (parameter.name == "user" || parameter.name == "database" || parameter.name == "options") continue;
    if (parameter.name == "replication") {
      if (parameter.value == "database") return not_allowed("replication");
      const std::optional<bool> is_on = boolean_of(parameter.value);
      if (!is_on)
        return Refused({pg::sqlstate::invalid_parameter_value,
                        "invalid value for parameter \"replication\": \"" + parameter.value + "\"",
                        "Valid values are: \"false\", 0, \"true\", 1, \"database\"."});
      if (*is_on) return not_allowed("replication");
      continue;
    }
    auto added = add(out, parameter.name, parameter.value);
    if (!added) return Refused(std::move(added).error());
  }
  return out;
}

}  // namespace ringfence::proxy
