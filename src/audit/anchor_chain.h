// Anchors, one behind the other: each has a number and signs the digest of the one before.
#pragma once

#include <string>

#include "audit/head_file.h"
#include "audit/rows.h"
#include "ringfence/audit/chain.h"
#include "ringfence/crypto/ed25519.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// A row of audit_anchor, read in binary form.
struct StoredAnchor {
  uint64_t chain_no = 0;
  std::string hash;
  uint64_t signed_at = 0;
  std::string key_id;
  std::string signature;
  uint64_t anchor_no = 0;  // 0: of a version that did not number them.
  std::string previous;

  static const char* columns();  // What a query has to select, in this order.
  static StoredAnchor of(const store::Rows& rows, int row);
  std::string message(const std::string& node) const;
  // Which the next one signs.
  crypto::Digest digest(const std::string& node) const;
};

// The place of the last anchor.
struct AnchorPlace {
  uint64_t chain_no = 0;
  uint64_t anchor_no = 0;
  crypto::Digest digest{};
};
// The last one that the node signed: what follows `head`, or, without a head, the last that any of the node's
// keys in the store verifies. Others' are passed over.
Result<AnchorPlace> last_anchor(store::Connection& store, const std::string& node, const SignedHead& head,
                                const crypto::Ed25519PublicKey& own);

}  // namespace ringfence::audit
