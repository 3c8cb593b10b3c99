// The head of each node's chain as this state directory signed it last: the file `head` beside the keys.
//
// What the store has must continue it. It is written after the anchor was committed, so the store may be
// ahead of it, never behind. A line for each node: the node's name in hexadecimal, row number, hash, anchor
// number, anchor digest, the row up to which a store was accepted by hand, and the line's seal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/seal.h"
#include "ringfence/base/result.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::audit {

struct SignedHead {
  uint64_t chain_no = 0;
  crypto::Digest hash{};
  uint64_t anchor_no = 0;  // 0: no numbered anchor of this directory's yet.
  crypto::Digest anchor_digest{};
  uint64_t accepted_to = 0;  // Rows up to here were accepted as they were found; 0: none were.
};

class HeadFile {
 public:
  HeadFile(std::string directory, std::string node)
      : directory_(std::move(directory)), node_(std::move(node)) {}

  // The node's line; none where it was never written. Fault::malformed when the line is not ours.
  Result<std::optional<SignedHead>> read(Sealer& sealer);
  // Atomically, on the disk afterwards; other nodes' lines stay.
  Result<void> write(Sealer& sealer, const SignedHead& head);

 private:
  Result<std::vector<std::string>> lines() const;

  std::string directory_;
  std::string node_;
};

}  // namespace ringfence::audit
