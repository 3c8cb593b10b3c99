// The writer's side of the store: one transaction a batch, and what it reads at start and after a lost answer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audit/open_starts.h"
#include "audit/rows.h"
#include "ringfence/crypto/ed25519.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

struct CheckpointMove {
  uint32_t shard = 0;
  uint64_t old_position = 0;
  uint64_t new_position = 0;
  uint64_t next_seq = 1;
};

struct OpenInsert {
  uint64_t key = 0;
  bool is_written = false;
  ByteView fields;
};

// What is written in one transaction.
struct BatchWrite {
  std::vector<CheckpointMove> moves;  // The journals'.
  CheckpointMove head_move;           // The writer's own row: position is chain_no.
  RowEncoder::Head head;
  size_t row_count = 0;
  const RowEncoder* rows = nullptr;
  std::vector<uint64_t> open_deletes;
  std::vector<OpenInsert> open_inserts;
};

enum class BatchFault : uint8_t {
  none,
  conflict,   // A checkpoint was not where it should be, or a chain number is taken.
  data,       // The store refused a row's content.
  partition,  // No partition for recorded_at.
  other,      // Connection, server or disk: try again after looking at the checkpoint.
};

struct BatchResult {
  BatchFault fault = BatchFault::none;
  std::string reason;
  int64_t row_hint = -1;  // The row that the store named, counted from 0.
  uint64_t bytes = 0;
};

class StoreSession {
 public:
  static Result<std::unique_ptr<StoreSession>> connect(const std::string& dsn, const std::string& node);

  store::Connection& connection() { return *connection_; }
  // False: another process holds this node's name.
  Result<bool> claim_node();
  Result<void> ensure_checkpoints(const std::vector<uint32_t>& shards);
  struct State {
    std::vector<Checkpoint> checkpoints;  // Without the writer's own row.
    RowEncoder::Head head;
    uint64_t writer_next_seq = 1;
  };
  // Under the rows' lock: waits for a transaction of ours that may still be committing.
  Result<State> read_state();
  Result<void> read_open(OpenStarts& open);
  // The fields of one open start; empty when there is none.
  Result<std::string> find_open(uint64_t key, bool& is_written);

  BatchResult write(const BatchWrite& batch);
  // Only tries the rows and takes them back: 0 when the store takes them, 1 when it refuses them, -1 when it
  // cannot be told.
  int try_rows(const RowEncoder& rows);
  Result<void> write_anchor(const crypto::Ed25519KeyPair& key, const RowEncoder::Head& head, uint64_t now_us);

 private:
  StoreSession(std::unique_ptr<store::Connection> connection, std::string node)
      : connection_(std::move(connection)), node_(std::move(node)) {}
  Result<void> copy(const std::string& sql, ByteView bytes);
  BatchResult failed(const Error& error, bool in_link);

  std::unique_ptr<store::Connection> connection_;
  std::string node_;
};

// --- By the owner's connection.
// Makes the partitions for the days from the one of `from_us` to `days` later. Gives the end of the last one.
Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days);
// Drops partitions whose rows are all older than their class's days, with a signed record of what they held.
Result<int> drop_expired(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                         uint64_t now_us);
Result<void> set_retention_days(store::Connection& owner, uint32_t days);

}  // namespace ringfence::audit
