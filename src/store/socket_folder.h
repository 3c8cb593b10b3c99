// The folder of the embedded server's socket: <store>/socket, or a short one in a runtime directory where the
// store's path leaves no room for a socket's name. Never in a folder where others make entries, as /tmp.
#pragma once

#include <string>

#include "ringfence/base/result.h"
#include "ringfence/base/run_as.h"
#include "store/user_folder.h"

namespace ringfence::store {

class SocketFolder {
 public:
  SocketFolder() = default;
  // For the store in `root`. Elsewhere: $RUNTIME_DIRECTORY, which systemd gives a service; else /run for
  // root, and $XDG_RUNTIME_DIR for others.
  explicit SocketFolder(const std::string& root);

  // Makes it, mode 0700 and the user's. `store`: the store's folder. Fault::limit: it has no place; the
  // message names the cures.
  Result<void> make(const UserFolder& store, const RunAs& user) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string elsewhere_;  // The runtime directory; empty: below the store.
  bool has_place_ = true;
};

// Makes an existing folder the user's alone: mode 0700. A link in its place, or another user's folder, is
// refused. The folder's parent must be one that nobody else may write, beside the sticky bit.
Result<void> give_folder(const std::string& path, const RunAs& user);

}  // namespace ringfence::store
