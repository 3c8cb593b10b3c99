// A login at a target's server as its sessions have it: by the same code, with the same limits and times. For
// `ringfence check`, which has no shards.
#pragma once

#include "ringfence/base/result.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

// Logs in as `credential`, with the settings that a session has in its startup packet (`is_read`: one of
// level read), and leaves again. Blocks for a little more than `connect_ms` at most. The error is for staff:
// why no session would get in.
Result<void> try_login(const Target& target, const Credential& credential, bool is_read, uint64_t connect_ms);

}  // namespace ringfence::proxy
