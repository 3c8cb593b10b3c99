// That a person accepted a store as it was found: the file `accept` in the state directory, from `ringfence
// audit adopt` until the event that tells of it is in the trail.
#pragma once

#include <optional>
#include <string>

#include "ringfence/base/result.h"

namespace ringfence::audit {

struct Acceptance {
  std::string code;  // Of the very state that is accepted.
  std::string why;   // Why it was refused; empty until it is taken.
  uint64_t was = 0;  // The last row that this state directory had signed,
  std::string was_hash;
  uint64_t found = 0;  // and the one behind which the chain goes on.
  std::string found_hash;
  std::string removed;  // What stood behind it: JSON, counts by table.

  bool is_taken() const { return !why.empty(); }
};

Result<std::optional<Acceptance>> read_acceptance(const std::string& directory);
Result<void> keep_acceptance(const std::string& directory, const Acceptance& acceptance);
Result<void> end_acceptance(const std::string& directory);

}  // namespace ringfence::audit
