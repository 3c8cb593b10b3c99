// Root among folders that other users may write.
//
// Whoever may write a folder chooses by links what root opens in it: what is overwritten, given away or read.
// So root keeps its own files only where nobody else can change the way to them (check_folder), and touches
// another user's files with that user's rights (as_user): a link there leads no further than its maker could
// go. For a process that is not root both do nothing.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "ringfence/base/result.h"

namespace ringfence {

struct RunAs {
  bool is_switched = false;  // False: we are not root and stay who we are.
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // Supplementary; at least `gid` where switched.
  std::string name;
};

// Does the work on a thread of its own, which opens, makes, renames and removes files with the rights of that
// user and its groups, and waits for it. Signals, sockets and forked children of that thread stay root's.
Result<void> as_user(const RunAs& user, const std::function<Result<void>()>& work);

// Whether others may make entries in the folder itself: in a sticky one they cannot touch those of root.
enum class Sticky : uint8_t { refused, allowed };
// Root alone: Fault::denied where a user beside root can put something else in the place of `path` or of a
// folder or link on the way to it, or can write into it. The message names the folder and the cure. What is
// not there yet passes.
Result<void> check_folder(const std::string& path, Sticky sticky = Sticky::refused);

// Opens a file to read it, with the rights of its folder's owner where that is another user and we are root,
// and then never through a link. A descriptor, O_CLOEXEC; Fault::not_found: there is no such file; Fault::io:
// else, with errno.
Result<int> open_to_read(const std::string& path);

}  // namespace ringfence
