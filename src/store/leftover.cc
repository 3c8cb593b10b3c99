#include "store/leftover.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "ringfence/base/log.h"
#include "store/user_folder.h"

namespace ringfence::store {
namespace {

// A process by its descriptor: its number may be another's by the time that a signal is sent.
class Process {
 public:
  explicit Process(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool is_known() const { return fd_ >= 0; }
  void send(int signal) const { ::syscall(SYS_pidfd_send_signal, fd_, signal, nullptr, 0); }
  bool ends_within(int timeout_ms) const {
    pollfd wait{fd_, POLLIN, 0};
    return ::poll(&wait, 1, timeout_ms) > 0;
  }

 private:
  int fd_;
};

// A server's working directory is its data directory.
bool serves(pid_t pid, const UserFolder& data, const RunAs& user) {
  const std::string process = "/proc/" + std::to_string(pid);
  struct stat owner{};
  struct stat directory{};
  if (::stat(process.c_str(), &owner) != 0 || ::stat((process + "/cwd").c_str(), &directory) != 0)
    return false;
  if (user.is_switched && owner.st_uid != user.uid) return false;
  return directory.st_dev == data.info().st_dev && directory.st_ino == data.info().st_ino;
}

}  // namespace

Result<void> stop_leftover(const std::string& data, const RunAs& user, int timeout_ms) {
  auto folder = UserFolder::open(data, user);
  if (!folder) return unexpected(std::move(folder.error()));
  auto pid = static_cast<pid_t>(std::strtol(folder->first_line("postmaster.pid").c_str(), nullptr, 10));
  if (pid <= 1) return {};
  Process process(pid);
  if (!process.is_known() || !serves(pid, *folder, user))
    return {};  // The number is another process's by now.
  log_warning("embedded store: stopping a server left over", {{"pid", std::to_string(pid)}});
  process.send(SIGINT);
  if (process.ends_within(timeout_ms)) return {};
  process.send(SIGQUIT);
  if (process.ends_within(5'000)) return {};
  return fail(Fault::conflict, "embedded store: a server left over (pid " + std::to_string(pid) +
                                   ") does not end: end it by hand");
}

}  // namespace ringfence::store
