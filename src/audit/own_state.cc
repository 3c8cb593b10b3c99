// The verifier's part that needs more than the store: the order of the anchors, and the state directory's own
// word.
#include <algorithm>

#include "audit/node_state.h"
#include "audit/node_verifier.h"
#include "audit/numbers.h"
#include "audit/seal.h"
#include "ringfence/audit/trail.h"

namespace ringfence::audit {
namespace {}  // namespace

Result<OwnState> read_own_state(const std::string& state_directory, const std::string& node) {
  OwnState out;
  auto key = read_seal_key(state_directory);
  if (!key) return unexpected(std::move(key.error()));
  out.seal_key = std::move(*key);
  auto id = read_state_id(state_directory);
  if (!id) return unexpected(std::move(id.error()));
  out.state_id = *id;
  Sealer sealer(node, out.seal_key, out.state_id);
  auto head = HeadFile(state_directory, node).read(sealer);
  if (!head) return unexpected(std::move(head.error()));
  out.head = *head;
  return out;
}

// Each signs the one before: none can be taken out of the middle.
void NodeVerifier::check_anchor_order(const StoredAnchor& anchor) {
  const bool is_first = !last_anchor_ && report_.first == 1;
  const AnchorPlace before = last_anchor_.value_or(AnchorPlace{});
  if (anchor.anchor_no != 0 && (last_anchor_ || is_first)) {
    if (anchor.anchor_no > before.anchor_no + 1) {
      found(FindingKind::missing, anchor.chain_no,
            "the anchors " + number(before.anchor_no + 1) + " to " + number(anchor.anchor_no - 1) +
                " before it are not there");
    } else if (anchor.anchor_no <= before.anchor_no) {
      found(FindingKind::forged, anchor.chain_no,
            "anchor " + number(anchor.anchor_no) + " stands behind anchor " + number(before.anchor_no));
    } else if (anchor.previous != crypto::view_of(before.digest)) {
      found(FindingKind::forged, anchor.chain_no,
            "anchor " + number(anchor.anchor_no) + " was signed behind another one than is there");
    }
  }
  last_anchor_ = AnchorPlace{anchor.chain_no, anchor.anchor_no, anchor.digest(report_.node)};
}

Result<uint64_t> NodeVerifier::anchors_behind(uint64_t links) {
  uint64_t last = 0;
  auto streamed = store_.stream(
      std::string("SELECT ") + StoredAnchor::columns() +
          " FROM ringfence.audit_anchor WHERE node = $1 AND (chain_no > "
          "$2::bigint OR chain_no < 1) ORDER BY chain_no DESC",
      {report_.node, number(links)}, [&](store::Rows& row) {
        StoredAnchor anchor = StoredAnchor::of(row, 0);
        if (keys_.trust(anchor.key_id, anchor.message(report_.node), anchor.signature) == Trust::none) {
          found(FindingKind::forged, anchor.chain_no,
                "an anchor of a row that is not there, not signed by a known key");
        } else {
          last = std::max(last, anchor.chain_no);
        }
        return true;
      });
  if (!streamed) return unexpected(std::move(streamed.error()));
  return last;
}

// The seals on what the node will read again, and its signed head: the store's owner has the key of neither.
Result<void> NodeVerifier::check_own_state() {
  if (own_ == nullptr) return {};
  Sealer sealer(report_.node, own_->seal_key, own_->state_id);
  auto state = read_node_state(store_, report_.node, sealer);
  if (!state) return unexpected(std::move(state.error()));
  if (state->open_refused > 0) {
    found(FindingKind::foreign, head_,
          number(state->open_refused) + " open starts that the node did not seal");
  }
  const bool is_initial = state->seal.empty() && state->sealed.is_initial();
  if (!is_initial && state->seal != crypto::view_of(sealer.state(state->sealed))) {
    found(FindingKind::forged, head_,
          "the checkpoint, or which starts are open, is not what the node sealed");
  }
  if (!own_->head || own_->head->chain_no == 0 || options_.to < own_->head->chain_no) return {};
  const SignedHead& head = *own_->head;
  if (head.chain_no > head_) {
    found(FindingKind::cut, head_ + 1,
          "the state directory signed row " + number(head.chain_no) + ", links end at " + number(head_));
    return {};
  }
  if (auto done = load_links(head.chain_no, head.chain_no); !done) return done;
  if (links_.size() != 1 || links_.front().hash != head.hash) {
    found(FindingKind::forged, head.chain_no, "it is not the row that the state directory signed");
  }
  if (head.anchor_no == 0) return {};
  auto rows = store_.exec_params(std::string("SELECT ") + StoredAnchor::columns() +
                                     " FROM ringfence.audit_anchor WHERE node = $1 AND chain_no = $2::bigint",
                                 {report_.node, number(head.chain_no)}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() != 1 || StoredAnchor::of(*rows, 0).digest(report_.node) != head.anchor_digest) {
    found(FindingKind::missing, head.chain_no,
          "anchor " + number(head.anchor_no) + ", the last one that the state directory kept, is not there");
  }
  return {};
}

}  // namespace ringfence::audit
