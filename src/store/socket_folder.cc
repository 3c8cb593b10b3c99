#include "store/socket_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "ringfence/base/crc32c.h"
#include "ringfence/base/log.h"

namespace ringfence::store {
namespace {

// sun_path holds 108 bytes with its NUL; the server appends "/.s.PGSQL.5432".
constexpr size_t bytes_max = 107 - 14;

std::string runtime_directory() {
  for (const char* name : {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"}) {
    const char* value = ::getenv(name);
    std::string path = value == nullptr ? "" : value;
    path.resize(std::min(path.find(':'), path.size()));  // systemd's may be several.
    // A login's is not for what root starts.
    if (!path.empty() && path[0] == '/' && (::geteuid() != 0 || name[0] == 'R')) return path;
  }
  return ::geteuid() == 0 ? "/run" : "";
}

}  // namespace

SocketFolder::SocketFolder(const std::string& root) : path_(root + "/socket") {
  if (path_.size() <= bytes_max) return;
  elsewhere_ = runtime_directory();
  char name[32];
  std::snprintf(name, sizeof name, "/ringfence-%08x", crc32c(root));
  has_place_ = !elsewhere_.empty() && elsewhere_.size() + std::string_view(name).size() <= bytes_max;
  if (has_place_) path_ = elsewhere_ + name;
}

Result<void> SocketFolder::make(const UserFolder& store, const RunAs& user) const {
  if (!has_place_) {
    return fail(Fault::limit,
                "store: " + path_ + " leaves no room for a socket's name (" + std::to_string(bytes_max) +
                    " bytes at most): use a shorter state_dir, or set RUNTIME_DIRECTORY to a short "
                    "folder of this user's");
  }
  if (elsewhere_.empty()) return store.make_folder("socket");
  if (auto safe = check_folder(elsewhere_); !safe)
    return unexpected(std::move(safe.error()).in("store: socket"));
  struct stat info{};
  // For others than root: who else could exchange what we make there?
  if (::stat(elsewhere_.c_str(), &info) == 0 && ::geteuid() != 0 &&
      (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)) {
    return fail(Fault::denied, "store: socket: " + elsewhere_ +
                                   " is not this user's alone: use a shorter state_dir, or "
                                   "set RUNTIME_DIRECTORY to a folder that is");
  }
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail_errno(errno, "store: create " + path_ + " (a shorter state_dir needs no such folder)");
  }
  log_info("embedded store: the state directory's path is too long for a Unix socket",
           {{"socket_directory", path_}});
  return give_folder(path_, user);
}

Result<void> give_folder(const std::string& path, const RunAs& user) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_errno(errno, "store: open " + path);
  struct stat info{};
  uid_t owner = user.is_switched ? user.uid : ::geteuid();
  Result<void> out;
  if (::fstat(fd, &info) != 0) out = fail_errno(errno, "store: " + path);
  else if (info.st_uid != owner && info.st_uid != ::geteuid()) {
    out = fail(Fault::denied, "store: " + path +
                                  " belongs to another user than the embedded store runs as: chown -R " +
                                  (user.is_switched ? user.name : std::string("to this user")) + " " + path +
                                  ", or set store.run_as");
  } else if (::fchmod(fd, 0700) != 0) {
    out = fail_errno(errno, "store: chmod " + path);
  } else if (user.is_switched && ::fchown(fd, user.uid, user.gid) != 0) {
    out = fail_errno(errno, "store: chown " + path);
  }
  ::close(fd);
  return out;
}

}  // namespace ringfence::store
