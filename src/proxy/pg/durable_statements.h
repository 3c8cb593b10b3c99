// How many of a session's statements are as durable as the configuration wants (audit.durability).
#pragma once

#include <cstdint>

namespace ringfence::proxy {

class Relay;

class DurableStatements {
 public:
  // Statements have started that are not on the disk yet, and have to be before their bytes go on.
  bool are_due(Relay& of) const;
  // When a sync has run. False: the session has to end, and why is set.
  bool note_sync(Relay& of, bool is_durable);

 private:
  uint64_t synced_ = 0;  // How many had started at the last sync.
};

}  // namespace ringfence::proxy
