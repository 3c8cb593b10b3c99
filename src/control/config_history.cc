#include "ringfence/control/config_history.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "ringfence/base/clock.h"
#include "ringfence/base/state_file.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::control {

using model::Json;

namespace {

constexpr size_t file_bytes_max = 16 * 1024 * 1024;
constexpr std::string_view file_ending = ".json";

std::string file_of(int64_t number) { return std::to_string(number) + std::string(file_ending); }

// The number in "12.json"; 0: it is no file of ours.
int64_t number_of(const std::string& file) {
  if (!file.ends_with(file_ending)) return 0;
  int64_t out = 0;
  const char* last = file.data() + file.size() - file_ending.size();
  const auto [end, error] = std::from_chars(file.data(), last, out);
  return error == std::errc() && end == last && file_of(out) == file ? out : 0;
}

std::string text_of(const ConfigVersion& version) {
  const Json out = {{"version", version.number}, {"since", rfc3339(version.since_us)},
                    {"origin", version.origin},  {"by", version.by},
                    {"text", version.text},      {"fields", version.fields}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Nothing: it is damaged, and as good as not there.
std::optional<ConfigVersion> version_in(const std::string& text, int64_t number) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("version", int64_t{0}) != number) return std::nullopt;
  for (const char* name : {"since", "origin", "by", "text"})
    if (!json.contains(name) || !json.at(name).is_string()) return std::nullopt;
  if (!json.contains("fields") || !json.at("fields").is_object()) return std::nullopt;
  ConfigVersion out;
  for (const auto& [path, value] : json.at("fields").items()) {
    if (!value.is_string()) return std::nullopt;
    out.fields[path] = value.get<std::string>();
  }
  out.number = number;
  out.since_us = model::parse_rfc3339(json.at("since").get<std::string>()).value_or(0);
  out.origin = json.at("origin").get<std::string>();
  out.by = json.at("by").get<std::string>();
  out.text = json.at("text").get<std::string>();
  return out;
}

Answer no_version() {
  return refusal(Answer::Kind::not_found, "there is no such version; the newest " +
                                              std::to_string(ConfigHistory::kept_max) + " are kept");
}

}  // namespace

ConfigHistory::ConfigHistory(ConfigHistory&& other) noexcept
    : folder_(std::move(other.folder_)),
      versions_(std::move(other.versions_)),
      held_(std::move(other.held_)) {}

Result<ConfigHistory> ConfigHistory::open(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, folder);
  ConfigHistory out(folder);
  std::set<int64_t> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (const int64_t number = number_of(entry.path().filename().string()); number > 0)
      numbers.insert(number);
  if (error) return fail(Fault::io, folder + ": " + error.message());
  for (const int64_t number : numbers) {
    auto text = read_file(folder, file_of(number), file_bytes_max);
    if (!text) continue;
    if (auto version = version_in(*text, number)) out.versions_.push_back(std::move(*version));
  }
  // A number that was given is not given again, whatever its file has become.
  if (!numbers.empty() && (out.versions_.empty() || out.versions_.back().number < *numbers.rbegin()))
    out.versions_.push_back({*numbers.rbegin(), 0, "unreadable", "", "", {}});
  return out;
}

Result<int64_t> ConfigHistory::begin(ConfigVersion version) {
  const std::lock_guard guard(lock_);
  const bool goes_on =
      version.origin == "start" && !versions_.empty() && versions_.back().text == version.text;
  if (goes_on) return versions_.back().number;
  version.number = versions_.empty() ? 1 : versions_.back().number + 1;
  versions_.push_back(std::move(version));
  forget_old();
  const ConfigVersion& made = versions_.back();
  if (auto written = replace_file(folder_, file_of(made.number), text_of(made)); !written)
    return unexpected(std::move(written.error()));
  return made.number;
}

void ConfigHistory::forget_old() {
  while (versions_.size() > kept_max) {
    (void)remove_file(folder_, file_of(versions_.front().number));
    versions_.erase(versions_.begin());
  }
}

void ConfigHistory::set_held(std::vector<int64_t> numbers) {
  const std::lock_guard guard(lock_);
  held_ = std::move(numbers);
}

const ConfigVersion* ConfigHistory::find(int64_t number) const {
  const auto found = std::find_if(versions_.begin(), versions_.end(),
                                  [&](const ConfigVersion& version) { return version.number == number; });
  return found == versions_.end() ? nullptr : &*found;
}

Json ConfigHistory::shown(const ConfigVersion& version, bool is_whole) const {
  const bool is_current = version.number == versions_.back().number;
  const bool is_held = std::find(held_.begin(), held_.end(), version.number) != held_.end();
  Json out = {{"version", version.number}, {"since", rfc3339(version.since_us)},
              {"origin", version.origin},  {"by", version.by.empty() ? Json() : Json(version.by)},
              {"is_current", is_current},  {"can_roll_back", is_held && !is_current}};
  if (!is_whole) return out;
  out["text"] = version.text;
  out["fields"] = version.fields;
  return out;
}

Answer ConfigHistory::current() const {
  const std::lock_guard guard(lock_);
  if (versions_.empty()) return unavailable("the appliance is starting");
  Answer out;
  out.body = shown(versions_.back(), true);
  return out;
}

Answer ConfigHistory::list() const {
  const std::lock_guard guard(lock_);
  Answer out;
  out.body = {{"items", Json::array()}, {"next_cursor", nullptr}};
  for (auto version = versions_.rbegin(); version != versions_.rend(); ++version)
    out.body["items"].push_back(shown(*version, false));
  return out;
}

Answer ConfigHistory::read(int64_t number) const {
  const std::lock_guard guard(lock_);
  const ConfigVersion* version = find(number);
  if (version == nullptr) return no_version();
  Answer out;
  out.body = shown(*version, true);
  return out;
}

Answer ConfigHistory::diff(int64_t from, int64_t to) const {
  const std::lock_guard guard(lock_);
  const ConfigVersion* before = find(from);
  const ConfigVersion* after = to == 0 && !versions_.empty() ? &versions_.back() : find(to);
  if (before == nullptr || after == nullptr) return no_version();
  std::set<std::string> paths;
  for (const ConfigVersion* version : {before, after})
    for (const auto& field : version->fields) paths.insert(field.first);
  const auto value = [](const ConfigVersion& version, const std::string& path) {
    const auto found = version.fields.find(path);
    return found == version.fields.end() ? Json() : Json(found->second);
  };
  Json changes = Json::array();
  for (const std::string& path : paths) {
    Json old = value(*before, path), now = value(*after, path);
    if (old != now)
      changes.push_back({{"path", path}, {"before", std::move(old)}, {"after", std::move(now)}});
  }
  Answer out;
  out.body = {{"from", before->number}, {"to", after->number}, {"changes", std::move(changes)}};
  return out;
}

}  // namespace ringfence::control
