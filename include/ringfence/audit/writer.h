// The one thread that turns journal records into committed rows of the store.
//
// A batch is one transaction: the compare-and-swap of every journal's checkpoint, the rows with their chain,
// and the starts that are still open. What always holds:
// - a record is in the store exactly once, whatever is killed when (the checkpoint moves in the transaction
// that
//   holds the rows, and a batch whose COMMIT has no answer is looked up before it is sent again);
// - chain_no has no gap, recorded_at never goes back;
// - while the store is away the writer holds one batch and waits; everything else stays in the journals.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/audit/journal.h"
#include "ringfence/audit/recovery.h"
#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/ed25519.h"

namespace ringfence::audit {

// The shard number of rows that the writer itself makes (gaps, outcomes of dead sessions).
inline constexpr uint32_t writer_shard = 65535;

enum class WriterState : uint8_t {
  starting,  // Not connected yet, or still draining what an earlier life left.
  running,
  retrying,  // The store does not answer; records wait in the journals.
  conflict,  // Another process writes as this node: stopped for good.
  stopped,
};
std::string_view name(WriterState state);

// A row that is now in the store. Valid during the callback only.
struct CommittedRow {
  uint64_t chain_no = 0;
  ByteView fields;  // Canonical bytes (see chain.h): every field of the row.
};
struct CommittedBatch {
  std::string_view node;
  uint64_t recorded_at = 0;
  const std::vector<CommittedRow>& rows;
};

// In whose name rows are written.
struct StoreClaim {
  std::string node;
  std::string public_key;
  Uuid state_id;  // Of the state directory whose journals the checkpoints are about.
  std::string state_directory;
  std::string seal_key;     // 32 bytes: rows that are read again must be sealed with it.
  bool takes_over = false;  // Also from another state directory.
};

struct WriterOptions {
  std::string node;
  StoreClaim claim;
  std::string writer_dsn;
  std::string owner_dsn;
  uint32_t batch_rows = 10'000;
  uint32_t batch_bytes = 2 << 20;
  uint32_t batch_ms = 200;
  // So many rows that follow each other in a batch are stored as a block, fewer as rows. 0: never.
  uint32_t block_rows = 16;
  uint32_t join_window_ms = 1'000;
  uint32_t open_starts_max = 200'000;  // Held in memory; older ones are looked up in the store.
  uint32_t anchor_ms = 5'000;
  uint32_t retention_days = 90;  // 0 keeps everything.
  uint32_t backoff_ms_max = 5'000;
  std::function<void(const CommittedBatch&)> on_committed;               // On the writer's thread.
  std::function<void(WriterState, const std::string& reason)> on_state;  // On the writer's thread.
};

struct WriterStatus {
  WriterState state = WriterState::starting;
  std::string reason;  // Why it is not running; empty when it is.
  uint64_t batches = 0;
  uint64_t rows = 0;
  uint64_t bytes = 0;  // Sent by COPY.
  uint64_t last_batch_us = 0;
  uint64_t lag_ms = 0;           // How long the oldest unwritten record has been known to the writer.
  uint64_t failures = 0;         // Batches that did not commit at the first try.
  uint64_t poisoned = 0;         // Rows stored as bytes because the store refused their content.
  uint64_t isolation_tries = 0;  // COPYs that it took to find them, of whole batches and of parts.
  uint64_t orphans = 0;          // Outcomes without a start.
  uint64_t gaps = 0;             // Gap events written.
  uint64_t open_starts = 0;
  uint64_t chain_no = 0;
  uint64_t anchors = 0;
  uint64_t retention_refused = 0;  // Partitions of expired rows that are not as they were written: kept.
  // For a watchdog: grows by the thread's own turns, several a second; it stands still while the thread waits
  // for the store (waits_for_store) and when it has ended (state).
  uint64_t turns = 0;
  bool waits_for_store = false;
};

class Writer {
 public:
  // The journals are this process's, the recovered ones what earlier lives left; both outlive the writer.
  Writer(WriterOptions options, crypto::Ed25519KeyPair key, std::vector<Journal*> journals,
         std::vector<RecoveredJournal> recovered);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // The thread. stop() drains all that was published before it was called, for at most `deadline_ms`, then
  // ends the thread; false when something stayed in the journals (it is found at the next start).
  void start();
  bool stop(uint32_t deadline_ms);
  // Ends the thread without draining, as a kill would; for tests and for the last resort of a shutdown.
  void abandon();

  WriterStatus status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the store says that each journal of the node stands. Used before the journals are opened.
struct Checkpoint {
  uint32_t shard = 0;
  uint64_t position = 0;
  uint64_t next_seq = 1;
  uint64_t told = 0;  // Dropped records that gap events account for.
};
// Migrates the schema by the owner's connection and reads the node's checkpoints. Fault::denied when another
// state directory writes as this node, and when the store is not as this one left it.
Result<std::vector<Checkpoint>> prepare_store(const std::string& owner_dsn, const StoreClaim& claim);
// From now on the state directory writes as the node, behind what the store has now. Fails while somebody
// does, and for a node that nobody knows.
Result<void> adopt_node(const std::string& owner_dsn, const std::string& node,
                        const std::string& state_directory);
// The next start takes the store as it was when it was refused with this code.
Result<void> accept_store(const std::string& state_directory, const std::string& code);

}  // namespace ringfence::audit
