// The writer's side of the store: one transaction a batch, and what it reads at start and after a lost
// answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/anchor_chain.h"
#include "audit/open_starts.h"
#include "audit/rows.h"
#include "audit/seal.h"
#include "ringfence/crypto/ed25519.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

struct CheckpointMove {
  uint32_t shard = 0;
  uint64_t old_position = 0;
  uint64_t new_position = 0;
  uint64_t next_seq = 1;
  uint64_t told = 0;
};

struct OpenInsert {
  uint64_t key = 0;
  bool is_written = false;
  ByteView fields;
};

struct OpenDelete {
  uint32_t shard = 0;
  uint64_t seq = 0;
  bool is_written = false;
  bool is_sealed = true;  // False: a row that is not the node's own.
};

// What is written in one transaction.
struct BatchWrite {
  std::vector<CheckpointMove> moves;  // The journals'.
  RowEncoder::Head old_head;          // The writer's own row: position is chain_no.
  RowEncoder::Head new_head;          // Known when the batch was written once.
  uint64_t writer_next_seq = 1;
  const std::vector<PendingRow>* rows = nullptr;
  std::vector<OpenDelete> open_deletes;
  std::vector<OpenInsert> open_inserts;
  SealedState sealed;  // As it will stand, but for the head, which is known when the rows are encoded.
  std::string seal;    // Over it: known when the batch was written once.
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
  bool had_blocks = false;  // Some of the rows were in blocks.
};

class StoreSession {
 public:
  // `sealer` outlives the session.
  static Result<std::unique_ptr<StoreSession>> connect(const std::string& dsn, const std::string& node,
                                                       Sealer& sealer);

  store::Connection& connection() { return *connection_; }
  // False: another process holds this node's name.
  Result<bool> claim_node();
  // Fault::denied when another state directory writes as this node.
  Result<void> claim_state(const StoreClaim& claim);
  Result<void> ensure_checkpoints(const std::vector<uint32_t>& shards);
  struct State {
    std::vector<Checkpoint> checkpoints;  // Without the writer's own row.
    RowEncoder::Head head;
    uint64_t writer_next_seq = 1;
    std::string seal;  // Empty: none.
  };
  // Under the rows' lock: waits for a transaction of ours that may still be committing.
  Result<State> read_state();
  // Those that the node sealed go into `open` and `set`, others to `refused`.
  struct RefusedStart {
    uint32_t shard = 0;  // As the row says: any number.
    uint64_t seq = 0;
    bool is_written = false;
    std::string fields;
  };
  Result<void> read_open(OpenStarts& open, OpenSet& set, std::vector<RefusedStart>& refused);
  // The fields of one open start; empty when there is none that the node sealed.
  Result<std::string> find_open(uint64_t key, bool& is_written);

  // `encoder` has begun behind the batch's old head; afterwards its head is what the batch's COMMIT makes
  // true.
  BatchResult write(BatchWrite& batch, RowEncoder& encoder);
  // Only tries rows [begin, end) and takes them back: 0 when the store takes them, 1 when it refuses them, -1
  // when it cannot be told.
  int try_rows(const std::vector<PendingRow>& rows, size_t begin, size_t end, RowEncoder& encoder);
  // Why the last try_rows() gave 1.
  const std::string& refused_state() const { return refused_state_; }
  // Behind `last`, which becomes its place. False: a row that is none of ours has its place.
  Result<bool> write_anchor(const crypto::Ed25519KeyPair& key, const RowEncoder::Head& head, uint64_t now_us,
                            AnchorPlace& last);

 private:
  StoreSession(std::unique_ptr<store::Connection> connection, std::string node, Sealer& sealer)
      : connection_(std::move(connection)), node_(std::move(node)), sealer_(sealer) {}
  Result<void> move_checkpoints(const BatchWrite& batch, const RowEncoder& encoder, bool& is_moved);
  Result<void> copy_rows(const std::vector<PendingRow>& rows, size_t begin, size_t end, RowEncoder& encoder);
  Result<void> copy(const std::string& sql, ByteView bytes, ByteView more);
  Result<void> write_open(const BatchWrite& batch);
  BatchResult failed(const Error& error, bool in_link);

  std::unique_ptr<store::Connection> connection_;
  std::string node_;
  Sealer& sealer_;
  std::optional<size_t> copy_first_row_;  // Of the rows copied last, where the COPY that was under way began.
  bool had_blocks_ = false;
  uint64_t sent_ = 0;
  std::string refused_state_;
};

}  // namespace ringfence::audit
