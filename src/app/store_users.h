// Users that the store has, among those of the configuration: where both have one of a name, the
// configuration's is it.
#pragma once

#include "ringfence/control/in_force.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::app {

// Into a snapshot that was made of the configuration.
void add_store_users(proxy::Snapshot& to, const control::InForcePtr& users);
// A copy of a snapshot that has those of the one before: what has changed since is changed.
void change_store_users(proxy::Snapshot& in, const control::InForcePtr& now);

}  // namespace ringfence::app
