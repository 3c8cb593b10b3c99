// Verifies one node's chain: rows, links, anchors, retention records and record numbers, page by page.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/anchor_chain.h"
#include "audit/head_file.h"
#include "audit/node_keys.h"
#include "audit/record_numbers.h"
#include "audit/stored_chain.h"
#include "ringfence/audit/chain.h"
#include "ringfence/audit/verify.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// What the node's own state directory knows: who sealed, and how far it signed.
struct OwnState {
  std::string seal_key;
  Uuid state_id;
  std::optional<SignedHead> head;
};
Result<OwnState> read_own_state(const std::string& state_directory, const std::string& node);

class NodeVerifier {
 public:
  // `own` outlives the object; null: not known, or another node's.
  NodeVerifier(store::Connection& store, const VerifyOptions& options, std::string node,
               const OwnState* own = nullptr)
      : store_(store), options_(options), own_(own) {
    report_.node = std::move(node);
  }
  Result<NodeReport> run(const std::function<void(const std::string&, uint64_t, uint64_t)>& progress);

 private:
  struct Range {
    uint64_t first;
    uint64_t last;
    uint64_t written_before;  // What anchors have to agree with; 0: they need not.
    std::string partition;
  };

  void found(FindingKind kind, uint64_t chain_no, std::string text);
  Result<void> load_retention();
  void check_age(uint64_t chain_no, uint64_t signed_at);
  // How far the chain must reach: whatever knows the largest number.
  Result<void> load_bounds();
  // Anchors behind the last link, and those with a number that no row has; gives the last believed one.
  Result<uint64_t> anchors_behind(uint64_t links);
  Result<void> page(uint64_t begin, uint64_t end);
  // The first number from `chain_no` on that a row or a run of links has.
  Result<uint64_t> next_present(uint64_t chain_no);
  void check_anchor_order(const StoredAnchor& anchor);
  // The state directory's own word against the store's.
  Result<void> check_own_state();
  Result<void> load_anchors(const std::string& from, const std::string& to);
  // How far the signatures reach, and whether they reach as far as they should.
  Result<void> check_coverage();
  Result<void> find_anchor_before(uint64_t chain_no);
  Result<void> load_links(uint64_t begin, uint64_t end);
  // Checks the link of the next chain number; gives it when it is there.
  const StoredLink* take_link();
  // Links up to (not including) `end` that have no row.
  void pass_links(uint64_t end);
  void on_block(const StoredBlock& block);
  void on_row(const StoredRow& row);
  // Only a whole chain tells: every number is in a row, an open start, or accounted for by a gap event.
  Result<void> check_numbers();

  store::Connection& store_;
  const VerifyOptions& options_;
  const OwnState* own_;
  NodeReport report_;
  struct Anchor {
    crypto::Digest hash;
    bool is_believed;
  };
  NodeKeys keys_;
  std::vector<Range> expired_;
  std::map<uint64_t, Anchor> anchors_;
  std::optional<AnchorPlace> last_anchor_;  // Whose signature is a known key's.
  uint64_t rows_on_page_ = 0;
  std::vector<uint64_t> strangers_;  // Anchors by keys that are not believed.
  uint64_t head_ = 0;                // The last link.
  bool is_cut_ = false;
  std::map<uint64_t, RecordNumbers> numbers_;
  uint64_t accounted_ = 0;
  std::vector<StoredLink> links_;
  size_t next_link_ = 0;
  uint64_t next_no_ = 1;
  uint64_t recorded_at_ = 0;
  bool is_whole_ = false;
  bool is_broken_ = false;  // The predecessor's hash is not known.
  crypto::Digest previous_{};
  crypto::Sha256 sha_;
};

}  // namespace ringfence::audit
