// The days of audit_event: made ahead, and dropped for their age with a signed record of what they held. By the
// owner's connection.
#pragma once

#include <string>

#include "ringfence/crypto/ed25519.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Makes the partitions for the days from the one of `from_us` to `days` later. Gives the end of the last one.
Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days);
// Drops partitions whose rows are all older than their class's days, with a signed record of what they held.
Result<int> drop_expired(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                         uint64_t now_us);
Result<void> set_retention_days(store::Connection& owner, uint32_t days);

}  // namespace ringfence::audit
