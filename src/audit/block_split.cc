#include "audit/block_split.h"

#include <algorithm>

#include "audit/batch_copy.h"
#include "audit/numbers.h"
#include "audit/row_copy.h"
#include "audit/stored_chain.h"

namespace ringfence::audit {
namespace {

// The block's rows up to `last`, in audit_row.
Result<void> keep_rows(store::Connection& owner, const std::string& node, const StoredBlock& block,
                       uint64_t last) {
  const uint64_t first = block.first_chain_no();
  std::vector<StoredLink> links;
  if (auto done = read_links(owner, node, first, last, links, [](uint64_t, bool) {}); !done) return done;
  RowCopy rows;
  rows.add_columns(session_group | kind_group | row_group | bit_of(Tag::node) | bit_of(Tag::statement));
  FieldSet fields;
  for (const StoredLink& link : links) {
    const auto i = static_cast<size_t>(link.chain_no - first);
    if (i >= block.size()) break;
    (void)block.fields_of(i, fields);
    const ChainPlace place = block.place_of(i);
    std::string canonical;
    append_canonical(canonical, fields, place);
    rows.append(canonical, place, link.leaf, link.hash, block.salts_of(i));
  }
  if (rows.rows().empty()) return {};
  uint64_t sent = 0;
  BatchCopy copy(owner, sent);
  if (auto done = copy.put_rows(rows.sql(), rows.rows(), 0); !done) return done;
  return copy.end();
}

// Blocks that begin at `last` or before and go on behind it. Gives how many rows went.
Result<uint64_t> split_blocks_at(store::Connection& owner, const std::string& node, uint64_t last) {
  const std::string which =
      " WHERE node = $1 AND first_chain_no BETWEEN 1 AND $2::bigint AND row_count > $2::bigint - "
      "first_chain_no + 1";
  auto rows = owner.exec_params("SELECT " + block_columns() + " FROM ringfence.audit_block" + which,
                                {node, number(last)}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  uint64_t removed = 0;
  crypto::Sha256 sha;
  for (int i = 0; i < rows->size(); ++i) {
    StoredBlock block;
    block.read(*rows, i, sha);
    if (auto done = keep_rows(owner, node, block, last); !done) return unexpected(std::move(done.error()));
    const uint64_t stays = last - block.first_chain_no() + 1;
    removed += block.size() - std::min<uint64_t>(stays, block.size());
  }
  auto gone = owner.exec_params("DELETE FROM ringfence.audit_block" + which, {node, number(last)});
  if (!gone) return unexpected(std::move(gone.error()));
  return removed;
}

}  // namespace

Result<uint64_t> remove_rows_behind(store::Connection& owner, const std::string& node, uint64_t last) {
  auto split = split_blocks_at(owner, node, last);
  if (!split) return split;
  auto removed = owner.exec_params(
      "WITH rows AS (DELETE FROM ringfence.audit_row WHERE node = $1 AND (chain_no > $2::bigint OR chain_no "
      "< 1) "
      "RETURNING 1 AS held), blocks AS (DELETE FROM ringfence.audit_block WHERE node = $1 AND "
      "(first_chain_no > $2::bigint OR first_chain_no < 1) RETURNING row_count AS held) "
      "SELECT coalesce(sum(held), 0) FROM (SELECT held FROM rows UNION ALL SELECT held FROM blocks) gone",
      {node, number(last)});
  if (!removed) return unexpected(std::move(removed.error()));
  return *split + static_cast<uint64_t>(removed->integer(0, 0));
}

}  // namespace ringfence::audit
