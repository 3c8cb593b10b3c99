// What the store knows about a node: who may write as it.
#pragma once

#include <string>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/writer.h"

namespace ringfence::audit {

// The expression that takes a node's name for this connection, or gives false; `parameter` names the node.
std::string node_lock(const std::string& parameter);
Error foreign_state(const std::string& node);

}  // namespace ringfence::audit
