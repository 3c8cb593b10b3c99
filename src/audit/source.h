// One journal as the writer sees it: first what earlier lives left, then the live one.
#pragma once

#include <memory>

#include "ringfence/audit/journal.h"
#include "ringfence/audit/recovery.h"

namespace ringfence::audit {

struct Source {
  uint32_t shard = 0;
  Journal* journal = nullptr;  // Null for a producer that this life does not have.
  RecoveredJournal recovered;
  std::unique_ptr<RecoveryReader> reader;  // While an earlier life's files are drained.
  // What the store has. `told`: how many dropped records it has gap events for.
  uint64_t stored_position = 0;
  uint64_t stored_seq = 1;
  uint64_t stored_told = 0;
  // What it has once the batch being gathered is in.
  uint64_t position = 0;
  uint64_t next_seq = 1;
  uint64_t told = 0;

  bool is_moved() const {
    return position != stored_position || next_seq != stored_seq || told != stored_told;
  }
  void stored() {
    stored_position = position;
    stored_seq = next_seq;
    stored_told = told;
  }
  // Of all lives.
  uint64_t dropped() const { return journal != nullptr ? journal->dropped() : recovered.dropped; }
};

}  // namespace ringfence::audit
