#include "audit/store_session.h"

#include <algorithm>
#include <charconv>

#include "audit/batch_copy.h"
#include "audit/copy_form.h"
#include "audit/node_store.h"
#include "audit/numbers.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

std::string bytea_literal(ByteView bytes) { return "'\\x" + hex_of(bytes) + "'::bytea"; }

// A value or its size, a constraint, or what a trigger of the store's owner says.
bool is_about_content(std::string_view sqlstate) {
  const std::string_view about = sqlstate.substr(0, 2);
  return about == "22" || about == "23" || about == "44" || about == "54" || about == "P0";
}

std::string time_literal(uint64_t unix_us) { return "'" + rfc3339(unix_us) + "'::timestamptz"; }

}  // namespace

Result<std::unique_ptr<StoreSession>> StoreSession::connect(const std::string& dsn, const std::string& node,
                                                            Sealer& sealer) {
  auto connection = store::Connection::open(dsn, "ringfence writer " + node);
  if (!connection) return unexpected(std::move(connection.error()));
  std::unique_ptr<StoreSession> session(new StoreSession(std::move(*connection), node, sealer));
  auto set = session->connection_->exec("SET synchronous_commit = on; SET standard_conforming_strings = on");
  if (!set) return unexpected(std::move(set.error()));
  return session;
}

Result<bool> StoreSession::claim_node() {
  auto rows = connection_->exec_params("SELECT " + node_lock("$1"), {node_});
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->get(0, 0) == "t";
}

Result<void> StoreSession::ensure_checkpoints(const std::vector<uint32_t>& shards) {
  std::vector<int64_t> numbers(shards.begin(), shards.end());
  numbers.push_back(writer_shard);
  auto rows = connection_->exec_params(
      "INSERT INTO ringfence.audit_checkpoint (node, shard, position, next_seq) "
      "SELECT $1, s, 0, 1 FROM unnest($2::int[]) s ON CONFLICT DO NOTHING",
      {node_, store::array_literal(numbers)});
  if (!rows) return unexpected(std::move(rows.error()));
  return {};
}

Result<void> StoreSession::claim_state(const StoreClaim& claim) {
  auto rows = connection_->exec_params(
      "UPDATE ringfence.audit_checkpoint SET state_id = $3::uuid WHERE node = $1 AND shard = $2::int AND "
      "(state_id IS NULL OR state_id = $3::uuid OR $4::boolean)",
      {node_, number(writer_shard), to_string(claim.state_id), claim.takes_over ? "t" : "f"});
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->affected() != 1) return unexpected(foreign_state(node_));
  return {};
}

Result<StoreSession::State> StoreSession::read_state() {
  // FOR UPDATE needs its own transaction to end; a statement outside of one is its own.
  auto rows = connection_->exec_params(
      "SELECT shard, position, next_seq, encode(hash, 'hex'), "
      "(extract(epoch FROM recorded_at) * 1000000)::bigint, told, encode(seal, 'hex') "
      "FROM ringfence.audit_checkpoint WHERE node = $1 ORDER BY shard FOR UPDATE",
      {node_});
  if (!rows) return unexpected(std::move(rows.error()));
  State state;
  for (int i = 0; i < rows->size(); ++i) {
    auto shard = static_cast<uint32_t>(rows->integer(i, 0));
    auto position = static_cast<uint64_t>(rows->integer(i, 1));
    auto next_seq = static_cast<uint64_t>(rows->integer(i, 2));
    if (shard != writer_shard) {
      state.checkpoints.push_back({shard, position, next_seq, static_cast<uint64_t>(rows->integer(i, 5))});
      continue;
    }
    state.writer_next_seq = next_seq;
    state.seal = bytes_of_hex(rows->get(i, 6));
    state.head.chain_no = position;
    state.head.recorded_at = rows->is_null(i, 4) ? 0 : static_cast<uint64_t>(rows->integer(i, 4));
    ByteView hex = rows->is_null(i, 3) ? ByteView() : rows->get(i, 3);
    for (size_t k = 0; k + 1 < hex.size() && k / 2 < state.head.hash.size(); k += 2) {
      std::from_chars(hex.data() + k, hex.data() + k + 2, state.head.hash[k / 2], 16);
    }
  }
  return state;
}

Result<void> StoreSession::read_open(OpenStarts& open, OpenSet& set, std::vector<RefusedStart>& refused) {
  std::string sql =
      "SELECT shard, seq, is_written, fields, seal FROM ringfence.audit_open WHERE node = $1 ORDER BY shard, "
      "seq";
  return connection_->stream(sql, {node_}, [&](store::Rows& row) {
    auto shard = detail::load_be<uint32_t>(row.get(0, 0).data());
    auto seq = detail::load_be<uint64_t>(row.get(0, 1).data());
    bool is_written = row.get(0, 2) != ByteView("\0", 1);
    const uint64_t key = OpenStarts::key_of(shard, seq);
    if (!sealer_.is_start(row.get(0, 4), shard, seq, is_written, row.get(0, 3))) {
      refused.push_back({shard, seq, is_written, row.text(0, 3)});
      return true;
    }
    set.add(sealer_.mark(shard, seq, is_written));
    OpenStart& start = open.add(key);
    start.is_stored = true;
    start.is_written = is_written;
    start.copy = row.text(0, 3);
    start.fields = start.copy;
    return true;
  });
}

Result<std::string> StoreSession::find_open(uint64_t key, bool& is_written) {
  auto rows = connection_->exec_params(
      "SELECT fields, is_written, seal FROM ringfence.audit_open WHERE node = $1 AND shard = $2::int AND seq "
      "= $3::bigint",
      {node_, number(OpenStarts::shard_of(key)), number(OpenStarts::seq_of(key))}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() == 0) return std::string();
  is_written = rows->get(0, 1) != ByteView("\0", 1);
  if (!sealer_.is_start(rows->get(0, 2), OpenStarts::shard_of(key), OpenStarts::seq_of(key), is_written,
                        rows->get(0, 0))) {
    log_error("an open start in the store is not what this node wrote: it is not believed",
              {{"shard", number(OpenStarts::shard_of(key))}, {"seq", number(OpenStarts::seq_of(key))}});
    return std::string();
  }
  return rows->text(0, 0);
}

Result<void> StoreSession::copy(const std::string& sql, ByteView bytes, ByteView more) {
  if (auto begun = connection_->begin_copy(sql); !begun) return begun;
  for (ByteView part : {bytes, more}) {
    // The reason comes with the end of the COPY, when the connection still stands.
    if (auto done = BatchCopy::put(*connection_, part, sent_); !done && !connection_->is_open()) return done;
  }
  auto ended = connection_->end_copy();
  if (!ended) return unexpected(std::move(ended.error()));
  return {};
}

// The store works on one piece while the next one is encoded: sending waits only when it is far behind.
Result<void> StoreSession::copy_rows(const std::vector<PendingRow>& rows, size_t begin, size_t end,
                                     RowEncoder& encoder) {
  BatchCopy copy(*connection_, sent_);
  auto run = [&]() -> Result<void> {
    for (size_t at = begin; at < end;) {
      const RowEncoder::Piece piece = encoder.next_piece(rows, at, end);
      const RowEncoder::Encoded encoded = encoder.encode(rows, piece);
      if (encoded == RowEncoder::Encoded::no_randomness)
        return fail(Fault::unavailable, "the machine has no randomness to give");
      if (encoded == RowEncoder::Encoded::has_more_columns) continue;
      auto done = piece.is_block ? copy.put_block(encoder.block_copy())
                                 : copy.put_rows(encoder.row_copy_sql(), encoder.row_copy(), at - begin);
      if (!done) return done;
      at = piece.end;
    }
    return copy.end();
  };
  auto done = run();
  had_blocks_ = copy.has_blocks();
  copy_first_row_ = copy.first_row();
  return done;
}

BatchResult StoreSession::failed(const Error& error, bool in_link) {
  BatchResult out;
  out.reason = error.message;
  out.fault = BatchFault::other;
  out.had_blocks = had_blocks_;
  const std::string state = connection_->sqlstate();
  if (error.fault != Fault::unavailable && connection_->is_open()) {
    if (in_link && state == "23505") {
      out.fault = BatchFault::conflict;
    } else if (!in_link && state == "23514" && connection_->constraint_name().empty() &&
               error.message.find("no partition of relation") != std::string::npos) {
      out.fault = BatchFault::partition;
    } else if (!in_link && is_about_content(state)) {
      out.fault = BatchFault::data;
      const std::string& context = connection_->error_context();
      // A trigger's own lines may stand in front.
      constexpr std::string_view where = "COPY audit_row, line ";
      size_t line = context.find(where);
      if (line != std::string::npos && copy_first_row_) {
        int64_t row = 0;
        std::from_chars(context.data() + line + where.size(), context.data() + context.size(), row);
        out.row_hint = row - 1 + static_cast<int64_t>(*copy_first_row_);
      }
    }
    (void)connection_->exec("ROLLBACK");
  }
  return out;
}

// The compare-and-swap with which a batch begins. The chain's hash comes when the rows are encoded.
Result<void> StoreSession::move_checkpoints(const BatchWrite& batch, const RowEncoder& encoder,
                                            bool& is_moved) {
  std::string values;
  auto add_move = [&](const CheckpointMove& move, const std::string& recorded_at) {
    if (!values.empty()) values += ", ";
    values += "(" + number(move.shard) + ", " + number(move.old_position) + "::bigint, " +
              number(move.new_position) + "::bigint, " + number(move.next_seq) + "::bigint, " +
              number(move.told) + "::bigint, " + recorded_at + ")";
  };
  // The writer's row comes with every batch: one that moves no journal is known by it, too.
  add_move({writer_shard, batch.old_head.chain_no, batch.old_head.chain_no + batch.rows->size(),
            batch.writer_next_seq, 0},
           time_literal(encoder.head().recorded_at));
  for (const CheckpointMove& move : batch.moves) add_move(move, "NULL");
  auto moved = connection_->exec(
      "BEGIN; UPDATE ringfence.audit_checkpoint c SET position = v.new_position, next_seq = v.next_seq, "
      "told = v.told, recorded_at = v.recorded_at FROM (VALUES " +
      values + ") v (shard, old_position, new_position, next_seq, told, recorded_at) WHERE c.node = " +
      store::quote_literal(node_) + " AND c.shard = v.shard AND c.position = v.old_position");
  if (!moved) return unexpected(std::move(moved.error()));
  is_moved = moved->affected() == static_cast<int64_t>(batch.moves.size() + 1);
  return {};
}

Result<void> StoreSession::write_open(const BatchWrite& batch) {
  if (!batch.open_deletes.empty()) {
    std::vector<int64_t> shards;
    std::vector<int64_t> seqs;
    for (const OpenDelete& gone : batch.open_deletes) {
      shards.push_back(static_cast<int32_t>(gone.shard));
      seqs.push_back(static_cast<int64_t>(gone.seq));
    }
    auto deleted = connection_->exec_params(
        "DELETE FROM ringfence.audit_open o USING unnest($2::int[], $3::bigint[]) k (shard, seq) "
        "WHERE o.node = $1 AND o.shard = k.shard AND o.seq = k.seq",
        {node_, store::array_literal(shards), store::array_literal(seqs)});
    if (!deleted) return unexpected(std::move(deleted.error()));
  }
  if (batch.open_inserts.empty()) return {};
  std::string rows(copy_header);
  ringfence::Writer writer(rows);
  for (const OpenInsert& insert : batch.open_inserts) {
    const crypto::Digest seal = sealer_.start(
        OpenStarts::shard_of(insert.key), OpenStarts::seq_of(insert.key), insert.is_written, insert.fields);
    writer.u16(6).u32(static_cast<uint32_t>(node_.size())).bytes(node_);
    writer.u32(4).u32(OpenStarts::shard_of(insert.key)).u32(8).u64(OpenStarts::seq_of(insert.key));
    writer.u32(1).u8(insert.is_written ? 1 : 0);
    writer.u32(static_cast<uint32_t>(insert.fields.size())).bytes(insert.fields);
    writer.u32(static_cast<uint32_t>(seal.size())).bytes(crypto::view_of(seal));
  }
  return copy(
      "COPY ringfence.audit_open (node, shard, seq, is_written, fields, seal) FROM STDIN (FORMAT binary)",
      rows, copy_trailer);
}

BatchResult StoreSession::write(BatchWrite& batch, RowEncoder& encoder) {
  sent_ = 0;
  had_blocks_ = false;
  bool is_moved = false;
  if (auto done = move_checkpoints(batch, encoder, is_moved); !done) return failed(done.error(), false);
  if (!is_moved) {
    (void)connection_->exec("ROLLBACK");
    return {BatchFault::conflict, "the checkpoint was moved by another process that writes as node " + node_};
  }
  if (!batch.rows->empty()) {
    if (auto done = copy_rows(*batch.rows, 0, batch.rows->size(), encoder); !done)
      return failed(done.error(), false);
    if (auto done = copy(RowEncoder::link_copy_sql(), encoder.link_copy(), copy_trailer); !done) {
      return failed(done.error(), true);
    }
  }
  batch.sealed.head = encoder.head();
  batch.seal = crypto::view_of(sealer_.state(batch.sealed));
  auto sealed = connection_->exec(
      "UPDATE ringfence.audit_checkpoint SET hash = " + bytea_literal(crypto::view_of(encoder.head().hash)) +
      ", seal = " + bytea_literal(batch.seal) + " WHERE node = " + store::quote_literal(node_) +
      " AND shard = " + number(writer_shard));
  if (!sealed) return failed(sealed.error(), true);
  if (auto done = write_open(batch); !done) return failed(done.error(), true);
  auto committed = connection_->exec("COMMIT");
  if (!committed) return failed(committed.error(), true);
  BatchResult out;
  out.bytes = sent_;
  return out;
}

int StoreSession::try_rows(const std::vector<PendingRow>& rows, size_t begin, size_t end,
                           RowEncoder& encoder) {
  auto begun = connection_->exec("BEGIN");
  if (!begun) return -1;
  auto done = copy_rows(rows, begin, end, encoder);
  int verdict = 0;
  if (!done) {
    refused_state_ = connection_->sqlstate();
    verdict = connection_->is_open() && is_about_content(refused_state_) ? 1 : -1;
  }
  if (verdict >= 0 && !connection_->exec("ROLLBACK")) return -1;
  return verdict;
}

Result<bool> StoreSession::write_anchor(const crypto::Ed25519KeyPair& key, const RowEncoder::Head& head,
                                        uint64_t now_us, AnchorPlace& last) {
  const std::string message = anchor_message(node_, head.chain_no, crypto::view_of(head.hash), now_us,
                                             last.anchor_no + 1, crypto::view_of(last.digest));
  auto signature = crypto::ed25519_sign(key.private_key, message);
  if (!signature) return unexpected(std::move(signature.error()));
  auto rows = connection_->exec_params(
      "INSERT INTO ringfence.audit_anchor (node, chain_no, hash, signed_at, key_id, signature, anchor_no, "
      "previous) VALUES ($1, $2::bigint, $3::bytea, $4::timestamptz, $5, $6::bytea, $7::bigint, $8::bytea) "
      "ON CONFLICT DO NOTHING",
      {node_, number(head.chain_no), store::Param::bytes(crypto::view_of(head.hash)), rfc3339(now_us),
       key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature)),
       number(last.anchor_no + 1), store::Param::bytes(crypto::view_of(last.digest))});
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->affected() != 1) return false;
  last = {head.chain_no, last.anchor_no + 1,
          crypto::sha256(message + std::string(crypto::view_of(*signature)))};
  return true;
}

}  // namespace ringfence::audit
