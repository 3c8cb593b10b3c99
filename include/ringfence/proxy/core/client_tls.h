// The TLS of a client's connection, whatever is spoken inside it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ringfence/net/tls_accept.h"
#include "ringfence/proxy/core/shard_core.h"
#include "ringfence/ring/task.h"

namespace ringfence::proxy {

// Shakes hands by the listener's rules, and counts how that ended; `listener` has TLS, and is of `snapshot`.
// As net::accept_tls.
ring::Task<net::TlsAccepted> accept_client_tls(ShardCore& core, std::unique_ptr<net::Stream>& client,
                                               const Listener& listener, const Snapshot& snapshot,
                                               std::string first, std::string_view client_addr);
// For a record's metadata, canonical JSON: client_certificate where there is one, tls_cipher, tls_resumed,
// tls_version.
std::string describe_tls(const net::TlsEngine& engine);

}  // namespace ringfence::proxy
