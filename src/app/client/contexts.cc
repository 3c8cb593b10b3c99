#include "contexts.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ringfence/app/config/env.h"
#include "ringfence/base/state_file.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::client {

using app::variable;
using model::Json;

namespace {

constexpr const char* file_name = "contexts.json";
constexpr size_t file_bytes_max = size_t{1} << 20;
constexpr size_t contexts_max = 1'000;

Failure misshaped(const std::string& what) {
  return {Exit::refused, "the contexts file " + what + "; remove it and log in again"};
}

// Empty where it is not there; false: it is no text.
bool take_text(const Json& from, const char* name, std::string& out) {
  const auto found = from.find(name);
  if (found == from.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

Outcome<SavedContext> context_of(const Json& json) {
  SavedContext out;
  std::string key;
  const bool is_read = json.is_object() && take_text(json, "url", out.url) &&
                       take_text(json, "ca_file", out.ca_file) && take_text(json, "user", out.user) &&
                       take_text(json, "key", key) && take_text(json, "key_id", out.key_id) &&
                       take_text(json, "expires_at", out.expires_at);
  if (!is_read || out.url.empty() || key.empty())
    return passed_on(misshaped("has a context without a URL or a key"));
  out.key = model::Secret(key);
  crypto::secure_zero(key);
  out.allows_plain_http = json.value("allows_plain_http", Json(false)) == Json(true);
  return out;
}

Json json_of(const SavedContext& context) {
  Json out = {{"url", context.url}, {"user", context.user}, {"key", std::string(context.key.reveal())}};
  if (!context.ca_file.empty()) out["ca_file"] = context.ca_file;
  if (!context.key_id.empty()) out["key_id"] = context.key_id;
  if (!context.expires_at.empty()) out["expires_at"] = context.expires_at;
  if (context.allows_plain_http) out["allows_plain_http"] = true;
  return out;
}

// Holds the folder's lock for as long as it lives.
class FolderLock {
 public:
  explicit FolderLock(const std::string& directory)
      : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    is_held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX) == 0;
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool is_held() const { return is_held_; }

 private:
  int fd_;
  bool is_held_ = false;
};

}  // namespace

Outcome<void> check_context_name(const std::string& name) {
  const std::string wrong = model::check_simple_name(name, 63);
  if (wrong.empty()) return {};
  return failed(Exit::usage, "the context's name " + wrong);
}

std::string contexts_text(const Contexts& contexts) {
  Json out = {{"version", 1}, {"current", contexts.current}, {"contexts", Json::object()}};
  for (const auto& [name, context] : contexts.all) out["contexts"][name] = json_of(context);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Outcome<Contexts> parse_contexts(ByteView text) {
  auto parsed = model::parse_json(text);
  if (!parsed) return passed_on(misshaped("is no JSON: " + parsed.error().message));
  if (!parsed->is_object() || parsed->value("version", Json()) != Json(1))
    return passed_on(misshaped("is of no version that this program knows"));
  Contexts out;
  if (!take_text(*parsed, "current", out.current)) return passed_on(misshaped("has a wrong member current"));
  const Json contexts = parsed->value("contexts", Json::object());
  if (!contexts.is_object() || contexts.size() > contexts_max)
    return passed_on(misshaped("has a wrong member contexts"));
  for (const auto& [name, json] : contexts.items()) {
    if (auto checked = check_context_name(name); !checked)
      return passed_on(misshaped("has a context with a wrong name"));
    auto context = context_of(json);
    if (!context) return passed_on(std::move(context).error());
    out.all.emplace(name, std::move(*context));
  }
  if (out.all.count(out.current) == 0) out.current.clear();
  return out;
}

Outcome<ContextsFile> ContextsFile::of_user() {
  std::string base = variable("XDG_CONFIG_HOME");
  if (!base.starts_with('/')) {
    base = variable("HOME");
    if (!base.starts_with('/'))
      return failed(Exit::refused, "there is no place for contexts; set HOME or XDG_CONFIG_HOME to a folder");
    base += "/.config";
  }
  return ContextsFile(base + "/ringfence");
}

Outcome<Contexts> ContextsFile::load() const {
  struct stat info{};
  if (::stat(directory_.c_str(), &info) == 0 && (info.st_mode & 022) != 0)
    return failed(Exit::refused, "others may write to " + directory_ + ": chmod 700 " + directory_);
  auto text = read_file(directory_, file_name, file_bytes_max);
  if (!text) {
    if (text.error().fault == Fault::not_found) return Contexts{};
    return failed(std::move(text).error());
  }
  auto out = parse_contexts(*text);
  crypto::secure_zero(*text);
  if (!out) return failed(out.error().exit, path() + ": " + out.error().message);
  return out;
}

Outcome<void> ContextsFile::make_directory() const {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory_).parent_path(), error);
  if (error) return failed(Exit::refused, directory_ + ": " + error.message());
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST)
    return failed(fail_errno(errno, directory_).value());
  return {};
}

Outcome<void> ContextsFile::update(const std::function<void(Contexts&)>& change) const {
  if (auto made = make_directory(); !made) return made;
  const FolderLock lock(directory_);
  if (!lock.is_held()) return failed(fail_errno(errno, directory_).value());
  auto contexts = load();
  if (!contexts) return passed_on(std::move(contexts).error());
  change(*contexts);
  std::string text = contexts_text(*contexts);
  auto replaced = replace_file(directory_, file_name, text);
  crypto::secure_zero(text);
  if (!replaced) return failed(std::move(replaced).error());
  return {};
}

}  // namespace ringfence::client
