// A server that an earlier life of the appliance left running in a data directory.
#pragma once

#include <string>

#include "ringfence/base/result.h"
#include "ringfence/base/run_as.h"

namespace ringfence::store {

// Ends it and waits. The pid file is the store user's word: only a process that is that user's own and works
// in that very folder is ended.
Result<void> stop_leftover(const std::string& data, const RunAs& user, int timeout_ms);

}  // namespace ringfence::store
