#include "audit/store_session.h"

#include <charconv>

#include "ringfence/base/clock.h"
#include "ringfence/store/migrate.h"

namespace ringfence::audit {
namespace {

// libpq copies what it is given into its own buffer: pieces of this size keep that buffer small.
constexpr size_t copy_piece = 64 * 1024;
constexpr char copy_header[] = "PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0";
constexpr size_t copy_header_bytes = 19;
constexpr const char* node_lock_class = "1380336975";  // "RFNO": our advisory locks by node.

std::string number(uint64_t value) { return std::to_string(value); }

std::string bytea_literal(ByteView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "'\\x";
  for (char c : bytes) {
    out.push_back(digits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<uint8_t>(c) & 15]);
  }
  return out + "'::bytea";
}

std::string time_literal(uint64_t unix_us) { return "'" + rfc3339(unix_us) + "'::timestamptz"; }

}  // namespace

Result<std::unique_ptr<StoreSession>> StoreSession::connect(const std::string& dsn, const std::string& node) {
  auto connection = store::Connection::open(dsn, "ringfence writer " + node);
  if (!connection) return unexpected(std::move(connection.error()));
  std::unique_ptr<StoreSession> session(new StoreSession(std::move(*connection), node));
  auto set = session->connection_->exec("SET synchronous_commit = on; SET standard_conforming_strings = on");
  if (!set) return unexpected(std::move(set.error()));
  return session;
}

Result<bool> StoreSession::claim_node() {
  auto rows = connection_->exec_params(
      std::string("SELECT pg_try_advisory_lock(") + node_lock_class + ", hashtext($1))", {node_});
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

Result<StoreSession::State> StoreSession::read_state() {
  // FOR UPDATE needs its own transaction to end; a statement outside of one is its own.
  auto rows = connection_->exec_params(
      "SELECT shard, position, next_seq, encode(hash, 'hex'), "
      "(extract(epoch FROM recorded_at) * 1000000)::bigint "
      "FROM ringfence.audit_checkpoint WHERE node = $1 ORDER BY shard FOR UPDATE",
      {node_});
  if (!rows) return unexpected(std::move(rows.error()));
  State state;
  for (int i = 0; i < rows->size(); ++i) {
    auto shard = static_cast<uint32_t>(rows->integer(i, 0));
    auto position = static_cast<uint64_t>(rows->integer(i, 1));
    auto next_seq = static_cast<uint64_t>(rows->integer(i, 2));
    if (shard != writer_shard) {
      state.checkpoints.push_back({shard, position, next_seq});
      continue;
    }
    state.writer_next_seq = next_seq;
    state.head.chain_no = position;
    state.head.recorded_at = rows->is_null(i, 4) ? 0 : static_cast<uint64_t>(rows->integer(i, 4));
    ByteView hex = rows->is_null(i, 3) ? ByteView() : rows->get(i, 3);
    for (size_t k = 0; k + 1 < hex.size() && k / 2 < state.head.hash.size(); k += 2) {
      std::from_chars(hex.data() + k, hex.data() + k + 2, state.head.hash[k / 2], 16);
    }
  }
  return state;
}

Result<void> StoreSession::read_open(OpenStarts& open) {
  std::string sql = "SELECT shard, seq, is_written, fields FROM ringfence.audit_open WHERE node = $1 ORDER BY shard, seq";
  return connection_->stream(sql, {node_}, [&](store::Rows& row) {
    auto shard = detail::load_be<uint32_t>(row.get(0, 0).data());
    auto seq = detail::load_be<uint64_t>(row.get(0, 1).data());
    OpenStart& start = open.add(OpenStarts::key_of(shard, seq));
    start.is_stored = true;
    start.is_written = row.get(0, 2) != ByteView("\0", 1);
    start.copy = row.text(0, 3);
    start.fields = start.copy;
    return true;
  });
}

Result<std::string> StoreSession::find_open(uint64_t key, bool& is_written) {
  auto rows = connection_->exec_params(
      "SELECT fields, is_written FROM ringfence.audit_open WHERE node = $1 AND shard = $2::int AND seq = $3::bigint",
      {node_, number(OpenStarts::shard_of(key)), number(OpenStarts::seq_of(key))}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  if (rows->size() == 0) return std::string();
  is_written = rows->get(0, 1) != ByteView("\0", 1);
  return rows->text(0, 0);
}

Result<void> StoreSession::copy(const std::string& sql, ByteView bytes) {
  if (auto begun = connection_->begin_copy(sql); !begun) return begun;
  for (size_t at = 0; at < bytes.size(); at += copy_piece) {
    if (auto put = connection_->put_copy(bytes.substr(at, copy_piece)); !put) {
      // The reason comes with the end of the COPY, when the connection still stands.
      if (connection_->is_open()) break;
      return put;
    }
  }
  auto ended = connection_->end_copy();
  if (!ended) return unexpected(std::move(ended.error()));
  return {};
}

BatchResult StoreSession::failed(const Error& error, bool in_link) {
  BatchResult out;
  out.reason = error.message;
  out.fault = BatchFault::other;
  const std::string state = connection_->sqlstate();
  if (error.fault != Fault::unavailable && connection_->is_open()) {
    if (in_link && state == "23505") {
      out.fault = BatchFault::conflict;
    } else if (!in_link && state == "23514" && error.message.find("partition") != std::string::npos) {
      out.fault = BatchFault::partition;
    } else if (!in_link && (state.starts_with("22") || state.starts_with("23") || state.starts_with("54"))) {
      out.fault = BatchFault::data;
      const std::string& context = connection_->error_context();
      size_t line = context.find("line ");
      if (line != std::string::npos) {
        int64_t row = 0;
        std::from_chars(context.data() + line + 5, context.data() + context.size(), row);
        out.row_hint = row - 1;
      }
    }
    (void)connection_->exec("ROLLBACK");
  }
  return out;
}

BatchResult StoreSession::write(const BatchWrite& batch) {
  std::string values;
  auto add_move = [&](const CheckpointMove& move, const std::string& hash, const std::string& recorded_at) {
    if (!values.empty()) values += ", ";
    values += "(" + number(move.shard) + ", " + number(move.old_position) + "::bigint, " +
              number(move.new_position) + "::bigint, " + number(move.next_seq) + "::bigint, " + hash + ", " +
              recorded_at + ")";
  };
  // The writer's row comes with every batch: one that moves no journal is known by it, too.
  add_move(batch.head_move, bytea_literal(crypto::view_of(batch.head.hash)),
           time_literal(batch.head.recorded_at));
  for (const CheckpointMove& move : batch.moves) add_move(move, "NULL", "NULL");
  auto moved = connection_->exec(
      "BEGIN; UPDATE ringfence.audit_checkpoint c SET position = v.new_position, next_seq = v.next_seq, "
      "hash = v.hash, recorded_at = v.recorded_at FROM (VALUES " + values +
      ") v (shard, old_position, new_position, next_seq, hash, recorded_at) WHERE c.node = " +
      store::quote_literal(node_) + " AND c.shard = v.shard AND c.position = v.old_position");
  if (!moved) return failed(moved.error(), false);
  if (moved->affected() != static_cast<int64_t>(batch.moves.size() + 1)) {
    (void)connection_->exec("ROLLBACK");
    return {BatchFault::conflict, "the checkpoint was moved by another process that writes as node " + node_, -1, 0};
  }
  BatchResult out;
  if (batch.row_count > 0) {
    if (auto done = copy(batch.rows->event_copy_sql(), batch.rows->event_copy()); !done) {
      return failed(done.error(), false);
    }
    if (auto done = copy(RowEncoder::link_copy_sql(), batch.rows->link_copy()); !done) {
      return failed(done.error(), true);
    }
    out.bytes = batch.rows->event_copy().size() + batch.rows->link_copy().size();
  }
  if (!batch.open_deletes.empty()) {
    std::vector<int64_t> shards;
    std::vector<int64_t> seqs;
    for (uint64_t key : batch.open_deletes) {
      shards.push_back(OpenStarts::shard_of(key));
      seqs.push_back(static_cast<int64_t>(OpenStarts::seq_of(key)));
    }
    auto deleted = connection_->exec_params(
        "DELETE FROM ringfence.audit_open o USING unnest($2::int[], $3::bigint[]) k (shard, seq) "
        "WHERE o.node = $1 AND o.shard = k.shard AND o.seq = k.seq",
        {node_, store::array_literal(shards), store::array_literal(seqs)});
    if (!deleted) return failed(deleted.error(), true);
  }
  if (!batch.open_inserts.empty()) {
    std::string rows(copy_header, copy_header_bytes);
    ringfence::Writer writer(rows);
    for (const OpenInsert& insert : batch.open_inserts) {
      writer.u16(5).u32(static_cast<uint32_t>(node_.size())).bytes(node_);
      writer.u32(4).u32(OpenStarts::shard_of(insert.key)).u32(8).u64(OpenStarts::seq_of(insert.key));
      writer.u32(1).u8(insert.is_written ? 1 : 0);
      writer.u32(static_cast<uint32_t>(insert.fields.size())).bytes(insert.fields);
    }
    writer.u16(0xffff);
    auto done = copy("COPY ringfence.audit_open (node, shard, seq, is_written, fields) FROM STDIN (FORMAT binary)", rows);
    if (!done) return failed(done.error(), true);
    out.bytes += rows.size();
  }
  auto committed = connection_->exec("COMMIT");
  if (!committed) return failed(committed.error(), true);
  return out;
}

int StoreSession::try_rows(const RowEncoder& rows) {
  auto begun = connection_->exec("BEGIN");
  if (!begun) return -1;
  auto done = copy(rows.event_copy_sql(), rows.event_copy());
  int verdict = 0;
  if (!done) verdict = connection_->is_open() && !connection_->sqlstate().empty() ? 1 : -1;
  if (verdict >= 0 && !connection_->exec("ROLLBACK")) return -1;
  return verdict;
}

Result<void> StoreSession::write_anchor(const crypto::Ed25519KeyPair& key, const RowEncoder::Head& head,
                                        uint64_t now_us) {
  auto signature = crypto::ed25519_sign(
      key.private_key, anchor_message(node_, head.chain_no, crypto::view_of(head.hash), now_us));
  if (!signature) return unexpected(std::move(signature.error()));
  auto rows = connection_->exec_params(
      "INSERT INTO ringfence.audit_anchor (node, chain_no, hash, signed_at, key_id, signature) "
      "VALUES ($1, $2::bigint, $3::bytea, $4::timestamptz, $5, $6::bytea) ON CONFLICT DO NOTHING",
      {node_, number(head.chain_no), store::Param::bytes(crypto::view_of(head.hash)), rfc3339(now_us),
       key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature))});
  if (!rows) return unexpected(std::move(rows.error()));
  return {};
}

namespace {
constexpr uint64_t day_us = 86'400'000'000;

std::string day_text(uint64_t us, bool compact) {
  std::string day = rfc3339(us).substr(0, 10);
  if (compact) day = day.substr(0, 4) + day.substr(5, 2) + day.substr(8, 2);
  return day;
}
}  // namespace

Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days) {
  uint64_t first = from_us / day_us * day_us;
  uint64_t end = first;
  for (int i = 0; i < days; ++i) {
    uint64_t day = first + static_cast<uint64_t>(i) * day_us;
    std::string name = "audit_event_c1_" + day_text(day, true);
    auto exists = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
    if (!exists) return unexpected(std::move(exists.error()));
    if (exists->get(0, 0) != "t") {
      // Waiting for the lock must not stop other nodes' writers for long.
      auto made = owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'; CREATE TABLE IF NOT EXISTS ringfence." + name +
                             " PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM ('" + day_text(day, false) +
                             " 00:00:00+00') TO ('" + day_text(day + day_us, false) + " 00:00:00+00'); COMMIT");
      if (!made) {
        Error error = std::move(made.error());
        (void)owner.exec("ROLLBACK");
        // Another node may have been faster.
        auto again = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
        if (!again || again->get(0, 0) != "t") return unexpected(std::move(error).in("partition " + name));
      }
    }
    end = day + day_us;
  }
  return end;
}

Result<void> set_retention_days(store::Connection& owner, uint32_t days) {
  auto done = owner.exec("UPDATE ringfence.audit_retention_class SET days = " +
                         (days == 0 ? std::string("NULL") : number(days)) + " WHERE retention_class = 1 AND days " +
                         "IS DISTINCT FROM " + (days == 0 ? std::string("NULL") : number(days)));
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

namespace {
// One partition: the signed records of what it holds and its end are one transaction.
Result<void> drop_partition(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                            const std::string& partition, uint64_t now_us) {
  auto begun = owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'");
  if (!begun) return unexpected(std::move(begun.error()));
  auto held = owner.exec("SELECT node, min(chain_no), max(chain_no), count(*) FROM ringfence." +
                         store::quote_identifier(partition) + " GROUP BY node");
  if (!held) return unexpected(std::move(held.error()));
  for (int i = 0; i < held->size(); ++i) {
    auto first = static_cast<uint64_t>(held->integer(i, 1));
    auto last = static_cast<uint64_t>(held->integer(i, 2));
    auto count = static_cast<uint64_t>(held->integer(i, 3));
    std::string rows_node = held->text(i, 0);
    auto signature = crypto::ed25519_sign(
        key.private_key, retention_message(rows_node, first, last, count, partition, now_us));
    if (!signature) return unexpected(std::move(signature.error()));
    auto written = owner.exec_params(
        "INSERT INTO ringfence.audit_retention VALUES ($1, $2::bigint, $3::bigint, $4::bigint, $5, "
        "$6::timestamptz, $7, $8, $9::bytea)",
        {rows_node, number(first), number(last), number(count), partition, rfc3339(now_us), node,
         key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature))});
    if (!written) return unexpected(std::move(written.error()));
  }
  auto dropped = owner.exec("DROP TABLE ringfence." + store::quote_identifier(partition) + "; COMMIT");
  if (!dropped) return unexpected(std::move(dropped.error()));
  return {};
}
}  // namespace

Result<int> drop_expired(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                         uint64_t now_us) {
  auto classes = owner.exec("SELECT retention_class, days FROM ringfence.audit_retention_class WHERE days IS NOT NULL");
  if (!classes) return unexpected(std::move(classes.error()));
  int count = 0;
  for (int i = 0; i < classes->size(); ++i) {
    std::string prefix = "audit_event_c" + classes->text(i, 0) + "_";
    uint64_t keep_us = static_cast<uint64_t>(classes->integer(i, 1)) * day_us;
    if (keep_us + day_us > now_us) continue;
    // A partition is named after its day: it ends one day later, and goes when that is older than the class keeps.
    std::string last = prefix + day_text(now_us - keep_us - day_us, true);
    auto expired = owner.exec_params(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = to_regclass($1) AND c.relname < $2 AND c.relname LIKE $3 ORDER BY 1",
        {"ringfence.audit_event_c" + classes->text(i, 0), last, prefix + "%"});
    if (!expired) return unexpected(std::move(expired.error()));
    for (int k = 0; k < expired->size(); ++k) {
      if (auto done = drop_partition(owner, node, key, expired->text(k, 0), now_us); !done) {
        (void)owner.exec("ROLLBACK");
        return unexpected(std::move(done.error()).in("retention of " + expired->text(k, 0)));
      }
      ++count;
    }
  }
  return count;
}

Result<std::vector<Checkpoint>> prepare_store(const std::string& owner_dsn, const std::string& node,
                                              const std::string& public_key) {
  auto owner = store::Connection::open(owner_dsn, "ringfence setup");
  if (!owner) return unexpected(std::move(owner.error()));
  if (auto migrated = store::migrate(**owner); !migrated) return unexpected(std::move(migrated.error()));
  auto known = (*owner)->exec_params(
      "INSERT INTO ringfence.audit_node (node, key_id, public_key) VALUES ($1, $2, $3::bytea) ON CONFLICT DO NOTHING",
      {node, key_id_of(public_key), store::Param::bytes(public_key)});
  if (!known) return unexpected(std::move(known.error()));
  auto rows = (*owner)->exec_params(
      "SELECT shard, position, next_seq FROM ringfence.audit_checkpoint WHERE node = $1", {node});
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<Checkpoint> out;
  for (int i = 0; i < rows->size(); ++i) {
    out.push_back({static_cast<uint32_t>(rows->integer(i, 0)), static_cast<uint64_t>(rows->integer(i, 1)),
                   static_cast<uint64_t>(rows->integer(i, 2))});
  }
  return out;
}

}  // namespace ringfence::audit
