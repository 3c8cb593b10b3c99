#include "store/user_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "ringfence/base/log.h"

namespace ringfence::store {
namespace {

constexpr size_t line_bytes_max = 4096;

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

UserFolder::UserFolder(std::string path, RunAs user, int fd, const struct stat& info)
    : path_(std::move(path)), user_(std::move(user)), fd_(fd), info_(info) {}

UserFolder::UserFolder(UserFolder&& other) noexcept
    : path_(std::move(other.path_)), user_(std::move(other.user_)), fd_(other.fd_), info_(other.info_) {
  other.fd_ = -1;
}

UserFolder::~UserFolder() {
  if (fd_ >= 0) ::close(fd_);
}

Result<UserFolder> UserFolder::open(const std::string& path, const RunAs& user) {
  int fd = -1;
  struct stat info{};
  auto opened = as_user(user, [&]() -> Result<void> {
    fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (user.is_switched ? O_NOFOLLOW : 0));
    if (fd >= 0 && ::fstat(fd, &info) == 0) return {};
    int error = errno;
    if (error == ENOENT) return fail(Fault::not_found, "store: " + path + " is not there");
    struct stat link{};
    if (user.is_switched && ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode)) {
      return fail(Fault::denied, "store: " + path +
                                     " is a link, which is not followed in a folder that user " + user.name +
                                     " may write: put the folder in its place");
    }
    return fail_errno(error, "store: open " + path);
  });
  UserFolder out(path, user, fd, info);
  if (!opened) return unexpected(std::move(opened.error()));
  if (user.is_switched && info.st_uid != user.uid) {
    return fail(Fault::denied, "store: " + path + " does not belong to user " + user.name +
                                   ", whom the embedded store "
                                   "runs as: chown -R " +
                                   user.name + " " + path + ", or set store.run_as");
  }
  return out;
}

Result<void> UserFolder::make_folder(const std::string& name) const {
  return as_user(user_, [&]() -> Result<void> {
    const std::string where = path_ + "/" + name;
    if (::mkdirat(fd_, name.c_str(), 0700) != 0 && errno != EEXIST)
      return fail_errno(errno, "store: create " + where);
    int fd = ::openat(fd_, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
      return fail(Fault::denied, "store: " + where + " is not a folder: remove it");
    }
    if (fd < 0) return fail_errno(errno, "store: open " + where);
    int changed = ::fchmod(fd, 0700);
    int error = errno;
    ::close(fd);
    if (changed != 0) return fail_errno(error, "store: chmod " + where);
    return {};
  });
}

Result<void> UserFolder::replace(const std::string& name, const std::string& text) const {
  return as_user(user_, [&]() -> Result<void> {
    const std::string fresh = name + ".new";
    if (::unlinkat(fd_, fresh.c_str(), 0) != 0 && errno != ENOENT) {
      return fail_errno(errno, "store: " + path_ + "/" + fresh + " is in the way, remove it");
    }
    int fd = ::openat(fd_, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(errno, "store: create " + path_ + "/" + fresh);
    bool is_written = write_all(fd, text);
    int error = errno;
    ::close(fd);
    if (!is_written) return fail_errno(error, "store: write " + path_ + "/" + fresh);
    if (::renameat(fd_, fresh.c_str(), fd_, name.c_str()) == 0) return {};
    error = errno;
    ::unlinkat(fd_, fresh.c_str(), 0);
    if (error == EISDIR)
      return fail(Fault::denied, "store: " + path_ + "/" + name + " is a folder: remove it");
    return fail_errno(error, "store: rename " + path_ + "/" + fresh);
  });
}

Result<int> UserFolder::open_log(const std::string& name) const {
  int fd = -1;
  auto opened = as_user(user_, [&]() -> Result<void> {
    const std::string where = path_ + "/" + name;
    // Not blocking: nobody may read from a FIFO in its place.
    constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
    for (bool is_second = false;; is_second = true) {
      fd = ::openat(fd_, name.c_str(), flags | (user_.is_switched ? O_NOFOLLOW : 0), 0600);
      int error = errno;
      struct stat info{};
      bool is_ours = fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
                     (!user_.is_switched || (info.st_uid == user_.uid && info.st_nlink == 1));
      if (is_ours) {
        ::fcntl(fd, F_SETFL, O_APPEND);
        return {};
      }
      if (fd >= 0) ::close(fd);
      else if (error != EACCES && error != ELOOP && error != ENXIO && error != EISDIR) {
        return fail_errno(error, "store: open " + where);
      }
      fd = -1;
      if (is_second) return fail(Fault::denied, "store: " + where + " changes while it is opened");
      if (::renameat(fd_, name.c_str(), fd_, (name + ".old").c_str()) != 0) {
        return fail_errno(errno, "store: " + where +
                                     " is no file of the store's user and cannot be set aside as " + name +
                                     ".old; remove it");
      }
      log_warning("embedded store: what had the log's name is no file of the store's user, and is set aside",
                  {{"path", where + ".old"}});
    }
  });
  if (!opened) return unexpected(std::move(opened.error()));
  return fd;
}

int UserFolder::open_regular(const std::string& name) const {
  int fd =
      ::openat(fd_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (user_.is_switched ? O_NOFOLLOW : 0));
  struct stat info{};
  if (fd >= 0 && (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
    ::close(fd);
    errno = EINVAL;
    return -1;
  }
  return fd;
}

std::string UserFolder::first_line(const std::string& name) const {
  std::string line;
  auto read = as_user(user_, [&]() -> Result<void> {
    int fd = open_regular(name);
    if (fd < 0) return {};
    line.resize(line_bytes_max);
    ssize_t n = ::read(fd, line.data(), line.size());
    ::close(fd);
    line.resize(n > 0 ? static_cast<size_t>(n) : 0);
    line.resize(std::min(line.find('\n'), line.size()));
    return {};
  });
  return read ? line : std::string();
}

std::string UserFolder::tail(const std::string& name, size_t bytes_max) const {
  std::string out;
  auto read = as_user(user_, [&]() -> Result<void> {
    int fd = open_regular(name);
    if (fd < 0) return {};
    struct stat info{};
    size_t size = ::fstat(fd, &info) == 0 ? static_cast<size_t>(info.st_size) : 0;
    size_t want = std::min(size, bytes_max);
    out.resize(want);
    ssize_t n = ::pread(fd, out.data(), want, static_cast<off_t>(size - want));
    ::close(fd);
    out.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return {};
  });
  return read ? out : std::string();
}

Result<void> UserFolder::rename(const std::string& from, const std::string& to) const {
  return as_user(user_, [&]() -> Result<void> {
    if (::renameat(fd_, from.c_str(), fd_, to.c_str()) == 0 || errno == ENOENT) return {};
    return fail_errno(errno, "store: rename " + path_ + "/" + from);
  });
}

Result<void> UserFolder::remove_all(const std::string& name) const {
  return as_user(user_, [&]() -> Result<void> {
    std::error_code error;
    std::filesystem::remove_all(path_ + "/" + name, error);
    if (error) return fail(Fault::io, "store: remove " + path_ + "/" + name + ": " + error.message());
    return {};
  });
}

}  // namespace ringfence::store
