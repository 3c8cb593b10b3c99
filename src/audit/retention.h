// What retention drops, and what the node signs for it. By the owner's connection.
//
// A signature over rows that are gone is as good as the rows: it is given for nothing but rows that were
// looked at. What always holds: a record covers rows of its own node alone, each of which was in the
// partitions, was recorded on their day, and gives the leaf of its link; the links lead without a
// gap from the record's first row to the hash that the record signs. Rows of a node lie in a day
// without a gap, for recorded_at never goes back and the writer knows one class; where they do not, nothing
// is signed.
//
// A day has a partition of rows and one of blocks; they go together, and the record names the first. A day
// that several nodes write into goes when each of them has signed for its rows; the last one drops it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ringfence/crypto/ed25519.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

struct RetentionOptions {
  std::string node;
  uint32_t days = 0;  // As configured, whatever the store says. 0: everything is kept.
  uint64_t now_us = 0;
  std::function<bool()> is_ended;  // Asked now and then; what is under way is then left as it was.
};

struct RetentionOutcome {
  struct Kept {
    std::string partition;
    std::string why;
  };
  int dropped = 0;
  std::vector<Kept> refused;  // Not what was written: nothing is signed for it.
  std::vector<Kept> waiting;  // Other nodes have not signed for their rows yet.
  bool is_complete = true;    // False: there is more to do than one turn should take.
};

// Drops the partitions whose rows are all older than that. An error of one partition does not keep the
// others.
Result<RetentionOutcome> drop_expired(store::Connection& owner, const crypto::Ed25519KeyPair& key,
                                      const RetentionOptions& options);

}  // namespace ringfence::audit
