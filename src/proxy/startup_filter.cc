#include "startup_filter.h"

#include <algorithm>
#include <array>

namespace ringfence::proxy {

namespace {

// Settings of a session that neither change who it is nor what it may do. PostgreSQL compares names without
// case.
constexpr std::array<std::string_view, 26> allowed = {
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "compute_query_id",
    "constraint_exclusion",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lock_timeout",
    "plan_cache_mode",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "timezone",
    "work_mem",
    "xmlbinary",
    "xmloption",
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

tl::unexpected<Error> refused(std::string_view name) {
  return fail(Fault::denied, "startup parameter \"" + std::string(name) + "\" is not allowed");
}

Result<void> add(std::vector<pg::StartupParameter>& out, std::string_view name, std::string_view value) {
  std::string key = lower(name);
  std::replace(key.begin(), key.end(), '-', '_');
  if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) return refused(name);
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

// `-c name=value`, `-cname=value` and `--name=value`; every other switch is refused.
Result<void> add_options(std::vector<pg::StartupParameter>& out, std::string_view options) {
  std::vector<std::string> words = words_of(options);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    std::string_view setting;
    if (word == "-c" && i + 1 < words.size()) setting = words[++i];
    else if (word.starts_with("-c") && word.size() > 2) setting = word.substr(2);
    else if (word.starts_with("--")) setting = word.substr(2);
    else return refused("options: " + std::string(word));
    size_t equals = setting.find('=');
    if (equals == std::string_view::npos) return refused("options: " + std::string(setting));
    auto added = add(out, setting.substr(0, equals), setting.substr(equals + 1));
    if (!added) return added;
  }
  return {};
}

}  // namespace

std::string upstream_application_name(std::string_view user, std::string_view client_application) {
  std::string name = "ringfence/" + std::string(user);
  if (!client_application.empty()) name += ": " + std::string(client_application);
  name = name.substr(0, 63);
  for (char& c : name) c = c >= 32 && c < 127 ? c : '?';
  return name;
}

std::string_view client_application_name(std::string_view user, std::string_view upstream_application) {
  std::string prefix = "ringfence/" + std::string(user);
  if (!upstream_application.starts_with(prefix)) return upstream_application;
  upstream_application.remove_prefix(prefix.size());
  if (upstream_application.starts_with(": ")) upstream_application.remove_prefix(2);
  return upstream_application;
}

Result<std::vector<pg::StartupParameter>> upstream_parameters(const pg::StartupMessage& startup,
                                                              std::string_view user) {
  std::vector<pg::StartupParameter> out;
  out.push_back({"application_name", upstream_application_name(user, startup.application_name())});
  for (const pg::StartupParameter& parameter : startup.parameters) {
    if (parameter.name == "user" || parameter.name == "database" || parameter.name == "application_name") continue;
    if (parameter.name == "replication") {
      std::string value = lower(parameter.value);
      if (value == "false" || value == "off" || value == "no" || value == "0") continue;
      return refused("replication");
    }
    auto added = parameter.name == "options" ? add_options(out, parameter.value)
                                             : add(out, parameter.name, parameter.value);
    if (!added) return unexpected(std::move(added).error());
  }
  return out;
}

}  // namespace ringfence::proxy
