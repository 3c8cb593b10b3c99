#include "audit/node_state.h"

#include <cstring>

#include "audit/numbers.h"
#include "audit/stored_chain.h"

namespace ringfence::audit {
namespace {}  // namespace

Result<NodeState> read_node_state(store::Connection& store, const std::string& node, Sealer& sealer) {
  NodeState out;
  auto rows = store.exec_params(
      "SELECT shard, position, next_seq, told, hash, recorded_at, seal FROM ringfence.audit_checkpoint WHERE "
      "node = $1 "
      "ORDER BY shard",
      {node}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  for (int i = 0; i < rows->size(); ++i) {
    auto shard = be<uint32_t>(rows->get(i, 0));
    auto position = be<uint64_t>(rows->get(i, 1));
    auto next_seq = be<uint64_t>(rows->get(i, 2));
    if (shard != writer_shard) {
      out.sealed.checkpoints.push_back({shard, position, next_seq, be<uint64_t>(rows->get(i, 3))});
      continue;
    }
    out.sealed.head.chain_no = position;
    out.sealed.head.hash = digest_of(rows->get(i, 4));
    out.sealed.head.recorded_at = rows->is_null(i, 5) ? 0 : unix_us(rows->get(i, 5));
    out.sealed.writer_next_seq = next_seq;
    out.seal = rows->text(i, 6);
  }
  auto open =
      store.stream("SELECT shard, seq, is_written, fields, seal FROM ringfence.audit_open WHERE node = $1",
                   {node}, [&](store::Rows& row) {
                     auto shard = be<uint32_t>(row.get(0, 0));
                     auto seq = be<uint64_t>(row.get(0, 1));
                     bool is_written = row.get(0, 2) != ByteView("\0", 1);
                     if (!row.is_null(0, 4)) ++out.open_sealed;
                     if (sealer.is_start(row.get(0, 4), shard, seq, is_written, row.get(0, 3))) {
                       out.sealed.open.add(sealer.mark(shard, seq, is_written));
                     } else {
                       ++out.open_refused;
                     }
                     return true;
                   });
  if (!open) return unexpected(std::move(open.error()));
  auto anchors = store.exec_params(
      "SELECT anchor_no IS NOT NULL FROM ringfence.audit_anchor WHERE node = $1 ORDER BY chain_no DESC LIMIT "
      "1",
      {node});
  if (!anchors) return unexpected(std::move(anchors.error()));
  out.has_numbered_anchors = anchors->size() == 1 && anchors->get(0, 0) == "t";
  return out;
}

Result<void> seal_open_starts(store::Connection& owner, const std::string& node, Sealer& sealer) {
  struct Start {
    uint32_t shard;
    uint64_t seq;
    crypto::Digest seal;
  };
  std::vector<Start> starts;
  auto read = owner.stream(
      "SELECT shard, seq, is_written, fields FROM ringfence.audit_open WHERE node = $1 AND seal IS NULL",
      {node}, [&](store::Rows& row) {
        auto shard = be<uint32_t>(row.get(0, 0));
        auto seq = be<uint64_t>(row.get(0, 1));
        starts.push_back(
            {shard, seq, sealer.start(shard, seq, row.get(0, 2) != ByteView("\0", 1), row.get(0, 3))});
        return true;
      });
  if (!read) return read;
  for (const Start& start : starts) {
    auto done = owner.exec_params(
        "UPDATE ringfence.audit_open SET seal = $4::bytea WHERE node = $1 AND shard = $2::int AND seq = "
        "$3::bigint",
        {node, std::to_string(start.shard), std::to_string(start.seq),
         store::Param::bytes(crypto::view_of(start.seal))});
    if (!done) return unexpected(std::move(done.error()));
  }
  return {};
}

}  // namespace ringfence::audit
