// Verifies the trail against the store alone: recomputes every leaf and hash from the rows, and compares
// links, anchors, retention records and the checkpoint. Reads in one snapshot, so a running appliance does
// not disturb it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

struct VerifyOptions {
  std::string node;   // Empty: every node found in the store.
  uint64_t from = 1;  // chain_no
  uint64_t to = UINT64_MAX;
  std::vector<std::string>
      public_keys;          // 32 bytes each, kept elsewhere; empty: the store's own copies are believed.
  std::string pinned_node;  // Whose keys these are, the store's are believed for others; empty: every node's.
  // Of pinned_node, on the node itself: its signed head and its seals are compared, too. Empty: they are not
  // known.
  std::string state_directory;
  uint64_t anchor_ms = 5'000;  // How often the appliance signs its head.
  size_t findings_max = 20;    // For each node; counting goes on.
};

enum class FindingKind : uint8_t {
  changed,    // A row's columns do not give its leaf.
  missing,    // No row, and no retention record that covers it; or no link.
  foreign,    // A row that the chain does not know.
  doubled,    // Two rows with one chain number, or one record in two rows.
  reordered,  // recorded_at goes back, or a link does not follow its predecessor.
  cut,        // An anchor, the checkpoint or the state directory knows rows behind the last one.
  forged,     // A signature or a seal that is not the node's, or an anchor with another hash.
  lost,       // Record numbers that no row has and no gap event accounts for.
  uncovered,  // Rows that should be signed by now, and are not.
  stray,      // Something in the schema that readers can see and that is in no chain.
};
std::string_view name(FindingKind kind);

struct Finding {
  FindingKind kind = FindingKind::changed;
  uint64_t chain_no = 0;
  std::string text;
};

struct NodeReport {
  std::string node;
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t rows = 0;           // Rows recomputed.
  uint64_t expired = 0;        // Links whose rows a signed retention record covers.
  uint64_t anchors = 0;        // Signatures verified.
  uint64_t anchored_to = 0;    // The last row that a believed signature reaches; 0: none.
  uint64_t unsigned_rows = 0;  // Behind it, when the chain's end was looked at.
  bool is_pinned = false;      // The store's own copies of the keys were not believed.
  uint64_t findings_count = 0;
  std::vector<Finding> findings;  // The first ones, in chain order.
};

struct VerifyReport {
  std::vector<NodeReport> nodes;
  std::vector<Finding> schema;  // Of the schema, which is all nodes'.
  std::string note;             // What could not be looked at, and why; empty: all could.
  bool is_good() const;
  std::string text() const;  // For people; the first bad row of each node comes first.
  std::string json() const;
};

// `progress` is called about every 10,000 rows.
Result<VerifyReport> verify_chain(
    store::Connection& store, const VerifyOptions& options,
    const std::function<void(const std::string& node, uint64_t chain_no, uint64_t last)>& progress = {});

}  // namespace ringfence::audit
