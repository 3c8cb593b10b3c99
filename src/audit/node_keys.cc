#include "audit/node_keys.h"

#include <cstring>

#include "ringfence/audit/chain.h"
#include "ringfence/crypto/ed25519.h"

namespace ringfence::audit {

Result<void> NodeKeys::load(store::Connection& store, const VerifyOptions& options, const std::string& node) {
  auto rows = store.exec_params("SELECT key_id, public_key FROM ringfence.audit_node", {}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  is_pinned_ = !options.public_keys.empty() && (options.pinned_node.empty() || options.pinned_node == node);
  for (int i = 0; i < rows->size(); ++i) {
    std::string key = rows->text(i, 1);
    if (key_id_of(key) != rows->get(i, 0)) continue;
    keys_[rows->text(i, 0)] = key;
    if (!is_pinned_) believed_.insert(rows->text(i, 0));
  }
  if (!is_pinned_) return {};
  for (const std::string& key : options.public_keys) {
    keys_[key_id_of(key)] = key;
    believed_.insert(key_id_of(key));
  }
  return {};
}

Trust NodeKeys::trust(const std::string& key_id, const std::string& message, ByteView signature) const {
  auto key = keys_.find(key_id);
  crypto::Ed25519PublicKey public_key{};
  crypto::Ed25519Signature raw{};
  if (key == keys_.end() || key->second.size() != public_key.size() || signature.size() != raw.size())
    return Trust::none;
  std::memcpy(public_key.data(), key->second.data(), public_key.size());
  std::memcpy(raw.data(), signature.data(), raw.size());
  if (!crypto::ed25519_verify(public_key, message, raw)) return Trust::none;
  return believed_.contains(key_id) ? Trust::believed : Trust::known;
}

}  // namespace ringfence::audit
