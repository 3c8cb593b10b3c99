// The chain as the store holds it: rows with the leaf that their columns give, and links.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Rows that are read at once where the chain is read from its beginning to its end.
inline constexpr uint64_t page_rows = 5'000;

// Unix µs of a timestamptz in binary form.
uint64_t unix_us(ByteView timestamp);
crypto::Digest digest_of(ByteView bytes);  // Zeros when it is none.

// A row of audit_event, recomputed. Views into what it was read from.
struct StoredRow {
  FieldSet fields;
  ChainPlace place;
  crypto::Digest leaf{};  // Of the columns as they are now.
  ByteView own_leaf;      // What the row says of itself.
  ByteView own_hash;

  // What a query has to select, in binary form and in this order.
  static const std::string& columns();
  void read(const store::Rows& row, crypto::Sha256& sha);

 private:
  std::vector<std::string> kept_;  // Values in another form than the store's.
  std::string canonical_;
};

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
