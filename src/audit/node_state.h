// What the store says of a node's checkpoints and open starts, with the seals on them.
#pragma once

#include <string>
#include <vector>

#include "audit/seal.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

struct NodeState {
  SealedState sealed;                 // Of the open starts, those whose own seal is right.
  std::string seal;                   // On the checkpoints; empty: none.
  uint64_t open_sealed = 0;           // Open starts that have a seal, right or not.
  uint64_t open_refused = 0;          // Those that have none, or a wrong one.
  bool has_numbered_anchors = false;  // Of a version that seals.
};
Result<NodeState> read_node_state(store::Connection& store, const std::string& node, Sealer& sealer);
// Seals those that have no seal. Once in a trail's life.
Result<void> seal_open_starts(store::Connection& owner, const std::string& node, Sealer& sealer);

}  // namespace ringfence::audit
