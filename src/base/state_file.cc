#include "ringfence/base/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ringfence {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int open_directory(const std::string& directory) {
  return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

Result<void> put_file(const std::string& directory, const std::string& name, ByteView bytes, bool replaces) {
  const std::string path = directory + "/" + name;
  Descriptor folder(open_directory(directory));
  if (folder.get() < 0) return fail_errno(errno, directory);
  const std::string temporary = name + ".new";
  if (::unlinkat(folder.get(), temporary.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno(errno, path + ".new");
  Descriptor file(
      ::openat(folder.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) return fail_errno(errno, path + ".new");
  // What root makes by hand is for the appliance's user, whose directory it is.
  struct stat owner{};
  if (::fstat(folder.get(), &owner) != 0) return fail_errno(errno, directory);
  if (::geteuid() == 0 && owner.st_uid != 0 && ::fchown(file.get(), owner.st_uid, owner.st_gid) != 0) {
    return fail_errno(errno, path + ".new");
  }
  if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0) return fail_errno(errno, path + ".new");
  if (replaces) {
    if (::renameat(folder.get(), temporary.c_str(), folder.get(), name.c_str()) != 0)
      return fail_errno(errno, path);
  } else {
    // A link, unlike a name's change, takes nobody's place.
    if (::linkat(folder.get(), temporary.c_str(), folder.get(), name.c_str(), 0) != 0) {
      const int error = errno;
      ::unlinkat(folder.get(), temporary.c_str(), 0);
      if (error == EEXIST) return fail(Fault::conflict, path + " exists already");
      return fail_errno(error, path);
    }
    ::unlinkat(folder.get(), temporary.c_str(), 0);
  }
  if (::fsync(folder.get()) != 0) return fail_errno(errno, directory);
  return {};
}

}  // namespace

Result<void> replace_file(const std::string& directory, const std::string& name, ByteView bytes) {
  return put_file(directory, name, bytes, true);
}

Result<void> create_file(const std::string& directory, const std::string& name, ByteView bytes) {
  return put_file(directory, name, bytes, false);
}

Result<std::string> read_file(const std::string& directory, const std::string& name, size_t bytes_max) {
  const std::string path = directory + "/" + name;
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return fail(Fault::not_found, path + " does not exist yet");
    return fail_errno(errno, path);
  }
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return fail_errno(errno, path);
  if (!S_ISREG(info.st_mode)) return fail(Fault::denied, path + " is no file");
  if ((info.st_mode & 077) != 0)
    return fail(Fault::denied, path + " is readable by others: chmod 600 " + path);
  if (static_cast<size_t>(info.st_size) > bytes_max)
    return fail(Fault::limit, path + " is too long to be ours");
  std::string out(static_cast<size_t>(info.st_size), '\0');
  size_t got = 0;
  while (got < out.size()) {
    ssize_t n = ::read(file.get(), out.data() + got, out.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, path);
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  out.resize(got);
  return out;
}

Result<void> remove_file(const std::string& directory, const std::string& name) {
  Descriptor folder(open_directory(directory));
  if (folder.get() < 0) return fail_errno(errno, directory);
  if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno(errno, directory + "/" + name);
  if (::fsync(folder.get()) != 0) return fail_errno(errno, directory);
  return {};
}

}  // namespace ringfence
