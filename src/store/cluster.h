// Finding PostgreSQL's server binaries, the user to run them as, and running them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/base/run_as.h"

namespace ringfence::store {

Result<std::string> find_bin_dir(const std::string& configured);
Result<RunAs> find_run_as(const std::string& configured);
// Every folder above `path` must be searchable for the user; the error names the first that is not.
Result<void> check_traversable(const std::string& path, const RunAs& user);
// Of the programs in `bin_dir`, which are run as that user.
Result<int> server_major(const std::string& bin_dir, const RunAs& user);

struct ChildOptions {
  std::vector<std::string> arguments;  // The first one is the program's path.
  RunAs user;
  std::string output_file;  // Standard output and error are appended to it; see open_log().
  std::string directory = "/";
  int death_signal = 0;  // Sent to the child when the thread that started it ends.
};
// Forks and executes; gives the pid. The child is a process group leader of its own.
Result<pid_t> spawn(const ChildOptions& options);
// Runs to the end; an error holds the last lines of the output.
Result<void> run(const ChildOptions& options, int timeout_ms);
// The last lines of a file of that user, for error messages.
std::string tail_of(const std::string& path, const RunAs& user, size_t bytes_max = 600);

}  // namespace ringfence::store
