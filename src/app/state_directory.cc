#include "state_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ringfence/crypto/secret.h"

namespace ringfence::app {

Result<void> make_state_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0711) != 0 && errno != EEXIST) {
    return fail_errno(errno, "state_dir " + path + " cannot be made (make its parent, or change state_dir)");
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail_errno(errno, "state_dir " + path + " is not writable for this user (change its owner, or state_dir)");
  }
  return {};
}

Result<std::string> node_secret(const std::string& path) {
  constexpr size_t size = 32;
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    std::string secret(size, '\0');
    ssize_t got = ::read(fd, secret.data(), size);
    ::close(fd);
    if (got == static_cast<ssize_t>(size)) return secret;
    return fail(Fault::malformed, path + " is damaged; remove it to have a new one made");
  }
  auto secret = crypto::random_bytes(size);
  if (!secret) return secret;
  fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "create " + path);
  ssize_t written = ::write(fd, secret->data(), size);
  int synced = ::fsync(fd);
  ::close(fd);
  if (written != static_cast<ssize_t>(size) || synced != 0) return fail_errno(errno, "write " + path);
  return secret;
}

}  // namespace ringfence::app
