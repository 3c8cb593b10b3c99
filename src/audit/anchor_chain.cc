#include "audit/anchor_chain.h"

#include <cstring>
#include <map>

#include "audit/numbers.h"
#include "audit/stored_chain.h"

namespace ringfence::audit {
namespace {

bool is_signed(const StoredAnchor& anchor, const std::string& node, ByteView key) {
  crypto::Ed25519PublicKey public_key{};
  crypto::Ed25519Signature signature{};
  if (key.size() != public_key.size() || anchor.signature.size() != signature.size()) return false;
  std::memcpy(public_key.data(), key.data(), public_key.size());
  std::memcpy(signature.data(), anchor.signature.data(), signature.size());
  return crypto::ed25519_verify(public_key, anchor.message(node), signature);
}

}  // namespace

const char* StoredAnchor::columns() {
  return "chain_no, hash, signed_at, key_id, signature, anchor_no, previous";
}

StoredAnchor StoredAnchor::of(const store::Rows& rows, int row) {
  StoredAnchor out;
  out.chain_no = be<uint64_t>(rows.get(row, 0));
  out.hash = rows.text(row, 1);
  out.signed_at = unix_us(rows.get(row, 2));
  out.key_id = rows.text(row, 3);
  out.signature = rows.text(row, 4);
  out.anchor_no = rows.is_null(row, 5) ? 0 : be<uint64_t>(rows.get(row, 5));
  out.previous = rows.text(row, 6);
  return out;
}

std::string StoredAnchor::message(const std::string& node) const {
  return anchor_no == 0 ? anchor_message(node, chain_no, hash, signed_at)
                        : anchor_message(node, chain_no, hash, signed_at, anchor_no, previous);
}

crypto::Digest StoredAnchor::digest(const std::string& node) const {
  return crypto::sha256(message(node) + signature);
}

Result<AnchorPlace> last_anchor(store::Connection& store, const std::string& node, const SignedHead& head,
                                const crypto::Ed25519PublicKey& own) {
  AnchorPlace out{head.anchor_no == 0 ? 0 : head.chain_no, head.anchor_no, head.anchor_digest};
  if (head.anchor_no > 0) {
    auto done =
        store.stream(std::string("SELECT ") + StoredAnchor::columns() +
                         " FROM ringfence.audit_anchor WHERE node = $1 AND chain_no > $2::bigint AND "
                         "anchor_no IS NOT NULL "
                         "ORDER BY anchor_no",
                     {node, std::to_string(head.chain_no)}, [&](store::Rows& row) {
                       StoredAnchor anchor = StoredAnchor::of(row, 0);
                       if (anchor.anchor_no != out.anchor_no + 1) return anchor.anchor_no <= out.anchor_no;
                       if (anchor.previous == crypto::view_of(out.digest) && anchor.chain_no > out.chain_no &&
                           is_signed(anchor, node, crypto::view_of(own))) {
                         out = {anchor.chain_no, anchor.anchor_no, anchor.digest(node)};
                       }
                       return true;
                     });
    if (!done) return unexpected(std::move(done.error()));
    return out;
  }
  auto keys =
      store.exec_params("SELECT key_id, public_key FROM ringfence.audit_node WHERE node = $1", {node}, true);
  if (!keys) return unexpected(std::move(keys.error()));
  std::map<std::string, std::string> known;
  for (int i = 0; i < keys->size(); ++i) known[keys->text(i, 0)] = keys->text(i, 1);
  auto done = store.stream(std::string("SELECT ") + StoredAnchor::columns() +
                               " FROM ringfence.audit_anchor WHERE node = $1 ORDER BY chain_no DESC",
                           {node}, [&](store::Rows& row) {
                             StoredAnchor anchor = StoredAnchor::of(row, 0);
                             auto key = known.find(anchor.key_id);
                             if (key == known.end() || !is_signed(anchor, node, key->second)) return true;
                             out = {anchor.chain_no, anchor.anchor_no, anchor.digest(node)};
                             return false;
                           });
  if (!done) return unexpected(std::move(done.error()));
  return out;
}

}  // namespace ringfence::audit
