#include "durable_statements.h"

#include "relay.h"

namespace ringfence::proxy {

bool DurableStatements::are_due(Relay& of) const {
  return of.parts().shard.core.disk_sync.is_needed() && of.conversation().statements() != synced_;
}

bool DurableStatements::note_sync(Relay& of, bool is_durable) {
  if (!is_durable) {
    of.end({"58030", "the audit trail cannot be made durable, so the statement is not forwarded",
            "The disk of the appliance's state_dir refuses to sync; see its log."});
    return false;
  }
  synced_ = of.conversation().statements();
  return !of.is_over();
}

}  // namespace ringfence::proxy
