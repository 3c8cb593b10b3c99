#include "reveal_request.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"

namespace ringfence::app {
namespace {

constexpr std::string_view prefix = "reveal-";
constexpr std::string_view suffix = ".request";
constexpr size_t requests_per_turn = 16;
constexpr size_t id_bytes = 36;

std::string name_of(const Uuid& id) { return std::string(prefix) + to_string(id) + std::string(suffix); }

std::string user_name(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room(16 << 10);
  if (::getpwuid_r(uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return "uid " + std::to_string(uid);
}

// The event's id, a line, and the reason.
Result<RevealRequest> read_request(int directory, const std::string& name, uid_t owner) {
  RevealRequest out;
  auto id =
      parse_uuid(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
  if (!id) return fail(Fault::malformed, "its name holds no id");
  out.id = *id;
  const int fd = ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail_errno(errno, "open");
  struct stat info{};
  ::fstat(fd, &info);
  std::string text(id_bytes + 1 + reveal_reason_bytes_max, '\0');
  const ssize_t n = S_ISREG(info.st_mode) ? ::read(fd, text.data(), text.size()) : -1;
  ::close(fd);
  if (n < 0) return fail(Fault::malformed, "it is no file");
  if (info.st_uid != owner && info.st_uid != 0) return fail(Fault::denied, "it belongs to another user");
  text.resize(static_cast<size_t>(n));
  if (text.size() <= id_bytes || text[id_bytes] != '\n') return fail(Fault::malformed, "it names no event");
  auto event = parse_uuid(std::string_view(text).substr(0, id_bytes));
  if (!event) return fail(Fault::malformed, "it names no event");
  out.event = *event;
  out.reason = make_valid_text(std::string_view(text).substr(id_bytes + 1));
  out.uid = info.st_uid;
  return out;
}

}  // namespace

Result<void> check_owner(const std::string& directory) {
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return fail_errno(errno, "state directory " + directory);
  if (info.st_uid == ::geteuid() || ::geteuid() == 0) return {};
  return fail(Fault::denied, "only the owner of the state directory " + directory +
                                 " may do this: " + user_name(info.st_uid) + ", or root");
}

Result<void> leave_request(const std::string& directory, const RevealRequest& request) {
  const std::string path = directory + "/" + name_of(request.id);
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, temporary);
  const std::string text = to_string(request.event) + "\n" + request.reason;
  const bool is_written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (is_written && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  ::unlink(temporary.c_str());
  return fail_errno(error, path);
}

void take_back_request(const std::string& directory, const Uuid& id) {
  ::unlink((directory + "/" + name_of(id)).c_str());
}

std::vector<RevealRequest> waiting_requests(const std::string& directory) {
  std::vector<RevealRequest> out;
  DIR* listing = ::opendir(directory.c_str());
  if (listing == nullptr) return out;
  const int fd = ::dirfd(listing);
  struct stat info{};
  ::fstat(fd, &info);
  while (const dirent* entry = out.size() < requests_per_turn ? ::readdir(listing) : nullptr) {
    const std::string name = entry->d_name;
    const bool is_request =
        name.size() > prefix.size() + suffix.size() && name.starts_with(prefix) && name.ends_with(suffix);
    if (!is_request) continue;
    auto request = read_request(fd, name, info.st_uid);
    if (request) {
      out.push_back(std::move(*request));
      continue;
    }
    log_warning("a request to reveal a text is not taken",
                {{"file", name}, {"reason", request.error().message}});
    ::unlinkat(fd, name.c_str(), 0);
  }
  ::closedir(listing);
  return out;
}

audit::EventBuilder reveal_event(const RevealRequest& request, uint64_t now_us) {
  using audit::Tag;
  audit::EventBuilder out(audit::Category::audit, reveal_action, audit::Severity::warning,
                          audit::Outcome::success);
  out.id(request.id)
      .ts(now_us)
      .text(Tag::user_name, user_name(request.uid))
      .text(Tag::auth_method, "state_directory");
  out.text(Tag::entity_type, "event")
      .text(Tag::entity_id, to_string(request.event))
      .text(Tag::reason, request.reason);
  out.text(Tag::metadata, "{\"uid\":" + std::to_string(request.uid) + "}");
  return out;
}

}  // namespace ringfence::app
