// Who a state directory is: the node's signing key and the directory's own id, made at the first start.
//
// The store keeps the id beside the node's checkpoints, so that a second appliance with another directory
// under the same node name is told apart from the first one's restart.
#pragma once

#include <string>

#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/ed25519.h"

namespace ringfence::audit {

struct StateIdentity {
  crypto::Ed25519KeyPair key{};
  Uuid id;
};
// Readable by us alone; refuses a key that others may read.
Result<StateIdentity> state_identity(const std::string& directory);

}  // namespace ringfence::audit
