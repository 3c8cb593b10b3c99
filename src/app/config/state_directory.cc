#include "state_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "ringfence/base/run_as.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::app {

namespace {

// For root: a life as another user, or its owner before root, may have left files and links of its own.
Result<void> check_entries(const std::string& folder) {
  if (::geteuid() != 0) return {};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    // The embedded store's folder is its user's; see store/user_folder.h.
    if (entry.path().filename() == "store") continue;
    if (auto safe = check_folder(entry.path(), Sticky::allowed); !safe) return safe;
  }
  return {};
}

}  // namespace

Result<void> make_state_directory(const std::string& path) {
  if (auto safe = check_folder(path); !safe) return unexpected(std::move(safe.error()).in("state_dir"));
  if (::mkdir(path.c_str(), 0711) != 0 && errno != EEXIST) {
    return fail_errno(errno, "state_dir " + path + " cannot be made (make its parent, or change state_dir)");
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail_errno(
        errno, "state_dir " + path + " is not writable for this user (change its owner, or state_dir)");
  }
  for (const std::string& folder : {path, path + "/journal"}) {
    if (auto safe = check_entries(folder); !safe) return unexpected(std::move(safe.error()).in("state_dir"));
  }
  return {};
}

namespace {

constexpr size_t secret_bytes = 32;

// What the process puts where there is no secret yet.
Result<std::string> fresh_secret() {
  static const Result<std::string> secret = crypto::random_bytes(secret_bytes);
  return secret;
}

// Fault::not_found: there is no such file, or it is not for this user.
Result<std::string> read_secret(const std::string& path) {
  auto fd = open_to_read(path);
  if (!fd) return fail(Fault::not_found, path + " cannot be opened");
  std::string secret(secret_bytes, '\0');
  ssize_t got = ::read(*fd, secret.data(), secret.size());
  ::close(*fd);
  if (got == static_cast<ssize_t>(secret.size())) return secret;
  return fail(Fault::malformed, path + " is damaged; remove it to have a new one made");
}

}  // namespace

Result<std::string> foreseen_node_secret(const std::string& path) {
  auto secret = read_secret(path);
  return secret ? secret : fresh_secret();
}

Result<std::string> node_secret(const std::string& path) {
  auto known = read_secret(path);
  if (known || known.error().fault != Fault::not_found) return known;
  auto secret = fresh_secret();
  if (!secret) return secret;
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "create " + path);
  ssize_t written = ::write(fd, secret->data(), secret->size());
  int synced = ::fsync(fd);
  ::close(fd);
  if (written != static_cast<ssize_t>(secret->size()) || synced != 0)
    return fail_errno(errno, "write " + path);
  return secret;
}

}  // namespace ringfence::app
