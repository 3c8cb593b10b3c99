#include "store/cluster.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "ringfence/base/clock.h"
#include "store/user_folder.h"

namespace ringfence::store {
namespace {

bool has_server(const std::string& directory) {
  return ::access((directory + "/postgres").c_str(), X_OK) == 0 &&
         ::access((directory + "/initdb").c_str(), X_OK) == 0;
}

// Found before any fork: the child of a threaded process may not look them up.
std::vector<gid_t> groups_of(const RunAs& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (::getgrouplist(user.name.c_str(), user.gid, groups.data(), &count) < 0) count = 0;
  groups.resize(static_cast<size_t>(std::max(count, 0)));
  if (groups.empty()) groups.push_back(user.gid);
  return groups;
}

// Between fork and exec: system calls only.
bool become(const RunAs& user) {
  return !user.is_switched || (::setgroups(user.groups.size(), user.groups.data()) == 0 &&
                               ::setgid(user.gid) == 0 && ::setuid(user.uid) == 0);
}

Result<UserFolder> folder_of(const std::string& path, const RunAs& user) {
  return UserFolder::open(std::filesystem::path(path).parent_path().string(), user);
}

std::string name_in(const std::string& path) { return std::filesystem::path(path).filename().string(); }

}  // namespace

Result<std::string> find_bin_dir(const std::string& configured) {
  if (!configured.empty()) {
    if (has_server(configured)) return configured;
    return fail(Fault::not_found, "store.bin_dir: no postgres and initdb in " + configured);
  }
  int best = 0;
  std::string found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    std::string name = entry.path().filename().string();
    int major = 0;
    std::from_chars(name.data(), name.data() + name.size(), major);
    if (major > best && has_server(entry.path().string() + "/bin")) {
      best = major;
      found = entry.path().string() + "/bin";
    }
  }
  if (!found.empty()) return found;
  const char* path = ::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    size_t colon = rest.find(':');
    std::string directory(rest.substr(0, colon));
    if (!directory.empty() && has_server(directory)) return directory;
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return fail(
      Fault::not_found,
      "no PostgreSQL server binaries: install postgresql-15, or set store.bin_dir, or use a postgres:// URL");
}

Result<RunAs> find_run_as(const std::string& configured) {
  RunAs out;
  if (::geteuid() != 0) return out;
  std::vector<std::string> names = {"ringfence", "postgres", "nobody"};
  if (!configured.empty()) names = {configured};
  for (const std::string& name : names) {
    passwd entry{};
    passwd* found = nullptr;
    char buffer[4096];
    if (::getpwnam_r(name.c_str(), &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) continue;
    if (found->pw_uid == 0) return fail(Fault::denied, "store.run_as: PostgreSQL does not run as root");
    out.is_switched = true;
    out.uid = found->pw_uid;
    out.gid = found->pw_gid;
    out.name = name;
    out.groups = groups_of(out);
    return out;
  }
  return fail(Fault::not_found, configured.empty()
                                    ? std::string("no user to run the embedded store as: set store.run_as")
                                    : "store.run_as: no user " + configured);
}

Result<void> check_traversable(const std::string& path, const RunAs& user) {
  if (!user.is_switched) return {};
  std::filesystem::path at = "/";
  std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  for (const auto& part : absolute.parent_path().relative_path()) {
    at /= part;
    struct stat info{};
    if (::stat(at.c_str(), &info) != 0) return fail_errno(errno, "store: " + at.string());
    bool in_group = std::find(user.groups.begin(), user.groups.end(), info.st_gid) != user.groups.end();
    mode_t bit = info.st_uid == user.uid ? S_IXUSR : in_group ? S_IXGRP : S_IXOTH;
    if ((info.st_mode & bit) == 0) {
      return fail(Fault::denied, "the embedded store runs as user " + user.name + ", who may not enter " +
                                     at.string() + ": chmod o+x " + at.string() +
                                     ", or use a state directory elsewhere, or set store.run_as");
    }
  }
  return {};
}

Result<int> server_major(const std::string& bin_dir, const RunAs& user) {
  std::string command = bin_dir + "/postgres";
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return fail_errno(errno, "store: pipe");
  pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe_fds[1], 1);
    if (!become(user)) ::_exit(126);
    ::execl(command.c_str(), command.c_str(), "--version", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(pipe_fds[1]);
  std::string text(256, '\0');
  ssize_t n = pid < 0 ? 0 : ::read(pipe_fds[0], text.data(), text.size());
  ::close(pipe_fds[0]);
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  size_t digit = text.find_first_of("0123456789");
  int major = 0;
  if (digit != std::string::npos) std::from_chars(text.data() + digit, text.data() + text.size(), major);
  if (major == 0) return fail(Fault::unavailable, "store: " + command + " --version gave no version");
  return major;
}

Result<pid_t> spawn(const ChildOptions& options) {
  std::vector<char*> arguments;
  for (const std::string& argument : options.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  char lang[] = "LC_ALL=C";
  char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
  char* environment[] = {lang, path, nullptr};
  auto folder = folder_of(options.output_file, options.user);
  if (!folder) return unexpected(std::move(folder.error()));
  auto log = folder->open_log(name_in(options.output_file));
  if (!log) return unexpected(std::move(log.error()));
  const int output = *log;
  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) {
    int error = errno;
    ::close(output);
    return fail_errno(error, "store: fork");
  }
  if (pid == 0) {
    ::setpgid(0, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s = 1; s < 32; ++s) ::signal(s, SIG_DFL);
    int null_fd = ::open("/dev/null", O_RDONLY);
    ::dup2(null_fd, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    if (!become(options.user)) ::_exit(126);
    // After the change of user, which clears it.
    if (options.death_signal != 0) {
      ::prctl(PR_SET_PDEATHSIG, options.death_signal);
      if (::getppid() != parent) ::_exit(125);
    }
    if (::chdir(options.directory.c_str()) != 0) ::_exit(124);
    ::execve(arguments[0], arguments.data(), environment);
    ::_exit(127);
  }
  ::close(output);
  return pid;
}

std::string tail_of(const std::string& path, const RunAs& user, size_t bytes_max) {
  auto folder = folder_of(path, user);
  if (!folder) return "";
  std::string out = folder->tail(name_in(path), bytes_max);
  for (char& c : out) {
    if (c == '\n') c = ' ';
  }
  return out;
}

Result<void> run(const ChildOptions& options, int timeout_ms) {
  auto pid = spawn(options);
  if (!pid) return unexpected(std::move(pid.error()));
  uint64_t deadline = mono_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
  int status = 0;
  for (;;) {
    pid_t done = ::waitpid(*pid, &status, WNOHANG);
    if (done == *pid) break;
    if (done < 0 && errno != EINTR) return fail_errno(errno, "store: wait");
    if (mono_ns() > deadline) {
      ::kill(*pid, SIGKILL);
      ::waitpid(*pid, &status, 0);
      return fail(Fault::timeout, options.arguments[0] + ": not finished in time");
    }
    ::usleep(5000);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Fault::unavailable,
              options.arguments[0] + " failed: " + tail_of(options.output_file, options.user));
}

}  // namespace ringfence::store
