// SHA-256 of many messages at once.
//
// The digests of independent messages need not wait for each other: where the processor has wide registers or
// SHA instructions and Intel's multi-buffer library is there, up to sixteen are computed side by side, which
// costs a fraction of one after the other. Elsewhere libcrypto does them in turn; the digests are the same.
#pragma once

#include <memory>
#include <vector>

#include "ringfence/crypto/digest.h"

namespace ringfence::crypto {

// Belongs to one thread.
class Sha256Many {
 public:
  Sha256Many();
  ~Sha256Many();
  Sha256Many(const Sha256Many&) = delete;
  Sha256Many& operator=(const Sha256Many&) = delete;

  // out[i] is the digest of messages[i]. `out` has room for as many.
  void digest(const std::vector<ByteView>& messages, Digest* out);
  // Whether messages are computed side by side here.
  bool is_parallel() const { return manager_ != nullptr; }

 private:
  struct Manager;
  std::unique_ptr<Manager> manager_;
  Sha256 single_;
};

}  // namespace ringfence::crypto
