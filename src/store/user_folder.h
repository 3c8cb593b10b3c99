// A folder of the store's user, held open: what is in it is made, read and replaced with that user's rights.
//
// The user may put links, FIFOs and folders in the place of our files. As root none is followed: what stands
// in the way is replaced, set aside or named by the error.
#pragma once

#include <sys/stat.h>

#include <string>

#include "ringfence/base/result.h"
#include "ringfence/base/run_as.h"

namespace ringfence::store {

class UserFolder {
 public:
  // Fault::not_found: it is not there. As root a link, or another user's folder, is refused.
  static Result<UserFolder> open(const std::string& path, const RunAs& user);
  UserFolder(UserFolder&& other) noexcept;
  UserFolder& operator=(UserFolder&&) = delete;
  ~UserFolder();

  // Makes a folder in it, mode 0700, or gives one that is there that mode.
  Result<void> make_folder(const std::string& name) const;
  // Writes a file, whole or not at all, mode 0600, in the place of whatever had the name, unless that is a
  // folder.
  Result<void> replace(const std::string& name, const std::string& text) const;
  // A descriptor (O_CLOEXEC) that appends to a file of the user's own. What has the name and is none, or has
  // a second name, is set aside as `<name>.old`.
  Result<int> open_log(const std::string& name) const;
  // The first line of a file, up to 4096 bytes; empty when there is none.
  std::string first_line(const std::string& name) const;
  // The last bytes of a file; empty when there is none.
  std::string tail(const std::string& name, size_t bytes_max) const;
  // Renames within the folder; removes with all that is below it. What is not there is not missed.
  Result<void> rename(const std::string& from, const std::string& to) const;
  Result<void> remove_all(const std::string& name) const;

  const std::string& path() const { return path_; }
  const struct stat& info() const { return info_; }

 private:
  UserFolder(std::string path, RunAs user, int fd, const struct stat& info);
  int open_regular(const std::string& name) const;  // As the user; -1 with errno.

  std::string path_;
  RunAs user_;
  int fd_;
  struct stat info_;
};

}  // namespace ringfence::store
