#include "ringfence/base/run_as.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <list>
#include <thread>

namespace ringfence {
namespace {

constexpr int links_max = 40;  // As the kernel's.

// Of this thread alone: glibc's setgroups() would change all of them. The file system's user and no other is
// changed, so that nobody may send this thread a signal, which would be the process's.
Result<void> become(const RunAs& user) {
  if (::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) != 0)
    return fail_errno(errno, "setgroups");
  ::setfsgid(user.gid);
  ::setfsuid(user.uid);
  // Both only tell who it was before.
  if (static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))) != user.gid ||
      static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) != user.uid) {
    return fail(Fault::denied, "files cannot be touched as user " + user.name);
  }
  return {};
}

std::string name_of(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr)
    return found->pw_name;
  return std::to_string(uid);
}

tl::unexpected<Error> bendable(const std::string& path, const std::string& at, const struct stat& info) {
  std::string who = info.st_uid != 0 ? "user " + name_of(info.st_uid) : "others than root";
  std::string cure = info.st_uid != 0 ? "chown -h root " + at : "chmod go-w " + at;
  return fail(Fault::denied, path + ": " + who + " may change " + at +
                                 ", and root keeps nothing where others choose "
                                 "what it opens: " +
                                 cure + ", or take another place, or run ringfence as the folder's owner");
}

}  // namespace

Result<void> as_user(const RunAs& user, const std::function<Result<void>()>& work) {
  if (!user.is_switched) return work();
  Result<void> out;
  std::thread([&] {
    out = become(user);
    if (out) out = work();
  }).join();
  return out;
}

Result<void> check_folder(const std::string& path, Sticky sticky) {
  if (::geteuid() != 0) return {};
  std::filesystem::path absolute = std::filesystem::path(path).lexically_normal();
  if (!absolute.is_absolute()) {
    std::error_code error;
    absolute = std::filesystem::absolute(absolute, error);
    if (error) return fail(Fault::io, path + ": " + error.message());
  }
  std::list<std::filesystem::path> rest(absolute.begin(), absolute.end());
  std::filesystem::path at;
  int links = 0;
  while (!rest.empty()) {
    std::filesystem::path part = rest.front();
    rest.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      at = at.parent_path();
      continue;
    }
    std::filesystem::path parent = at;
    at /= part;
    struct stat info{};
    if (::lstat(at.c_str(), &info) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno(errno, at.string());
    }
    if (info.st_uid != 0) return bendable(path, at.string(), info);
    if (S_ISLNK(info.st_mode)) {
      std::error_code error;
      std::filesystem::path target = std::filesystem::read_symlink(at, error);
      if (error || ++links > links_max) return fail(Fault::io, at.string() + ": a link that leads nowhere");
      rest.insert(rest.begin(), target.begin(), target.end());
      at = target.is_absolute() ? std::filesystem::path() : parent;
      continue;
    }
    bool is_open = (info.st_mode & S_IWOTH) != 0 || ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0);
    bool is_last = rest.empty() || (rest.size() == 1 && rest.front().empty());
    bool is_kept = (info.st_mode & S_ISVTX) != 0 && (!is_last || sticky == Sticky::allowed);
    if (is_open && !is_kept) return bendable(path, at.string(), info);
  }
  return {};
}

Result<int> open_to_read(const std::string& path) {
  constexpr int flags = O_RDONLY | O_CLOEXEC;
  auto failed = [&](int error) {
    return tl::unexpected<Error>(Error{error == ENOENT ? Fault::not_found : Fault::io,
                                       std::move(fail_errno(error, path).value().message), error});
  };
  std::filesystem::path place(path);
  std::string folder = place.has_parent_path() ? place.parent_path().string() : ".";
  int folder_fd = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return failed(errno);
  struct stat info{};
  RunAs owner;
  if (::geteuid() == 0 && ::fstat(folder_fd, &info) == 0 && info.st_uid != 0) {
    owner = {true, info.st_uid, info.st_gid, {info.st_gid}, name_of(info.st_uid)};
  }
  int fd = -1;
  int error = 0;
  auto opened = as_user(owner, [&]() -> Result<void> {
    // Not blocking: a FIFO in the place of a file must not stop us.
    int careful = owner.is_switched ? flags | O_NOFOLLOW | O_NONBLOCK : flags;
    fd = ::openat(folder_fd, place.filename().c_str(), careful);
    error = errno;
    if (fd >= 0 && owner.is_switched && (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
      ::close(fd);
      fd = -1;
      error = EINVAL;
    }
    return {};
  });
  ::close(folder_fd);
  if (!opened) return unexpected(std::move(opened.error()).in(path));
  if (fd < 0) return failed(error);
  return fd;
}

}  // namespace ringfence
