// Targets that the store has, among those of the configuration: where both have one of a name, whatever its
// type, the configuration's is it.
#pragma once

#include "ringfence/control/in_force.h"
#include "ringfence/net/tls.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::app {

// Into a snapshot, as it is now. What runs of it is that of `before`, the snapshot before this one: counts of
// connections and, where the target has not changed, its TLS. A target whose TLS cannot be had is left out,
// and told of in the log.
void put_store_target(proxy::Snapshot& to, const control::TargetFacts& target, const proxy::Snapshot* before,
                      const net::KernelTlsUse& kernel);
void drop_store_target(proxy::Snapshot& from, const std::string& name);

}  // namespace ringfence::app
