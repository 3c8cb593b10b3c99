// The directory that holds what outlives the process.
#pragma once

#include <string>

#include "ringfence/base/result.h"

namespace ringfence::app {

// Makes it if it is not there; fails where this user cannot write into it.
Result<void> make_state_directory(const std::string& path);
// A secret of the node's own, 32 bytes, made at the first start.
Result<std::string> node_secret(const std::string& path);
// The same without making the file: where there is none, or it cannot be read, what this process would put
// there.
Result<std::string> foreseen_node_secret(const std::string& path);

}  // namespace ringfence::app
