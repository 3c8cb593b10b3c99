// The chain as the store holds it: rows with the leaf that their columns give, and links.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "audit/stored_block.h"
#include "ringfence/audit/chain.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Rows that are read at once where the chain is read from its beginning to its end.
inline constexpr uint64_t page_rows = 5'000;

// Unix µs of a timestamptz in binary form.
uint64_t unix_us(ByteView timestamp);
crypto::Digest digest_of(ByteView bytes);  // Zeros when it is none.

// A row of the trail, recomputed. Views into what it was read from.
struct StoredRow {
  FieldSet fields;
  ChainPlace place;
  crypto::Digest leaf{};  // Of the columns as they are now.
  // What a row of audit_row says of itself; empty in a block.
  ByteView own_leaf;
  ByteView own_hash;
  // Of the last row of a block: what the block says of itself.
  ByteView block_hash;

  // What a query of audit_row has to select, in binary form and in this order.
  static const std::string& columns();
  void read(const store::Rows& row, crypto::Sha256& sha);
  void read(const StoredBlock& block, size_t i, crypto::Sha256& sha);

 private:
  std::vector<std::string> kept_;  // Values in another form than the store's.
};

// Where rows stand; without blocks `blocks` is empty.
struct StoredTables {
  std::string rows = "ringfence.audit_row";
  std::string blocks = "ringfence.audit_block";
};
// The node's rows of [begin, end], ascending, whatever they are stored as; until `each` gives false.
// `on_block` gets each block before its rows, and once more where its rows stand on two sides of `begin`.
Result<void> stream_rows(store::Connection& store, const StoredTables& tables, const std::string& node,
                         uint64_t begin, uint64_t end,
                         const std::function<void(const StoredBlock&)>& on_block,
                         const std::function<bool(StoredRow&)>& each);

struct StoredLink {
  uint64_t chain_no;
  crypto::Digest leaf;
  crypto::Digest hash;
};
// The links of [begin, end] in order, whatever runs they are in; each number once. What is none of the
// writer's is told to `doubtful`: a number that came before (true), a run that cannot be one (false).
Result<void> read_links(store::Connection& store, const std::string& node, uint64_t begin, uint64_t end,
                        std::vector<StoredLink>& out,
                        const std::function<void(uint64_t chain_no, bool is_second)>& doubtful);

}  // namespace ringfence::audit
