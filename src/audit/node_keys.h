// The keys by which a node's signatures are verified, and which of them is to be believed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "ringfence/audit/verify.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// `none`: the signature is not that of a known key. `known`: it is, and the key is not to be believed.
enum class Trust : uint8_t { none, known, believed };

class NodeKeys {
 public:
  // All of the store's. Believed are those of `options` where they are given for this node, else the store's.
  Result<void> load(store::Connection& store, const VerifyOptions& options, const std::string& node);
  // The believed keys were given, so that the store cannot add one.
  bool is_pinned() const { return is_pinned_; }
  Trust trust(const std::string& key_id, const std::string& message, ByteView signature) const;

 private:
  std::map<std::string, std::string> keys_;  // Raw Ed25519 keys by their id.
  std::set<std::string> believed_;           // Of keys_.
  bool is_pinned_ = false;
};

}  // namespace ringfence::audit
