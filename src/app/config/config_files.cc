#include "config_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ringfence::app {

namespace {

constexpr size_t secret_bytes_max = 65'536;

bool exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

std::string locate_file(const ReadContext& context, const std::string& name, bool* is_credential) {
  *is_credential = false;
  if (name.starts_with("/")) return name;
  auto directory = context.environment.find("CREDENTIALS_DIRECTORY");
  if (directory != context.environment.end() && !directory->second.empty()) {
    std::string path = directory->second + "/" + name;
    *is_credential = exists(path);
    if (*is_credential) return path;
  }
  size_t slash = context.file.rfind('/');
  return slash == std::string::npos ? name : context.file.substr(0, slash + 1) + name;
}

bool is_open_to_others(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0;
}

Result<std::string> read_small_file(const std::string& path, size_t size_max) {
  // Not blocking: a FIFO in the place of a file must not stop the start.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail_errno(errno, path);
  std::string text;
  struct stat status{};
  if (::fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
    ::close(fd);
    return fail(Fault::io, path + ": is no ordinary file");
  }
  for (;;) {
    char piece[8192];
    ssize_t size = ::read(fd, piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      int error = errno;
      ::close(fd);
      return fail_errno(error, path);
    }
    text.append(piece, static_cast<size_t>(size));
    crypto::secure_zero(piece, sizeof piece);
    if (size == 0 || text.size() > size_max) break;
  }
  ::close(fd);
  if (text.size() > size_max) {
    return fail(Fault::limit, path + ": is larger than " + std::to_string(size_max) + " bytes");
  }
  return text;
}

std::optional<Secret> read_secret(Section& section, std::string_view key, std::string_view file_key,
                                  Origin* where) {
  std::string_view which;
  auto found = section.one_of({key, file_key}, &which);
  if (!found) return std::nullopt;
  if (where != nullptr) *where = found->origin;
  ReadContext& context = section.context();
  if (which == key) {
    Secret secret(found->text);
    crypto::secure_zero(found->text);
    if (!secret.empty()) return secret;
    context.error(found->origin, "is empty; give a value or remove the key");
    return std::nullopt;
  }
  bool is_credential = false;
  std::string path = locate_file(context, found->text, &is_credential);
  auto text = read_small_file(path, secret_bytes_max);
  if (!text) {
    context.error(found->origin, "cannot be read: " + text.error().message +
                                     "; make the file, or let the user that ringfence runs as read it");
    return std::nullopt;
  }
  if (!is_credential && is_open_to_others(path)) {
    context.warning(found->origin, path + " can be read by others than its owner; chmod 600 it");
  }
  ByteView trimmed = *text;
  if (trimmed.ends_with('\n')) trimmed.remove_suffix(1);
  if (trimmed.ends_with('\r')) trimmed.remove_suffix(1);
  Secret secret(trimmed);
  crypto::secure_zero(*text);
  if (!secret.empty()) return secret;
  context.error(found->origin, path + " is empty; write the secret into it");
  return std::nullopt;
}

}  // namespace ringfence::app
