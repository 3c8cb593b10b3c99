// The trail as the rest of the appliance sees it: journals to write to, a status, start and stop.
//
// Owns the state lock, the node's key, the journals, the keeper thread and the writer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/audit/journal.h"
#include "ringfence/audit/sealing.h"
#include "ringfence/audit/writer.h"
#include "ringfence/base/uuid.h"
#include "ringfence/model/trail_rules.h"

namespace ringfence::audit {

using model::Durability;
using model::OnFull;

struct TrailOptions {
  std::string state_directory;
  std::string node;        // Empty: the host's name.
  uint32_t producers = 1;  // Journals 0 … producers - 1.
  std::string writer_dsn;
  std::string owner_dsn;
  // The store lives in this state directory: nobody else can have written as this node.
  bool owns_store = false;
  uint64_t segment_bytes = 16 << 20;     // audit.segment_bytes; at least 2 MiB, a multiple of 4096.
  uint64_t journal_bytes_max = 1 << 30;  // audit.journal_max_bytes, each journal.
  OnFull on_full = OnFull::fail_closed;
  Durability durability = Durability::process;
  uint32_t batch_rows = 10'000;
  uint32_t batch_ms = 200;
  uint32_t block_rows = 16;  // See WriterOptions.
  uint32_t join_window_ms = 1'000;
  uint32_t anchor_ms = 5'000;
  uint32_t retention_days = 90;
  std::function<void(const CommittedBatch&)> on_committed;
  // What wraps the data keys, made when the state directory is this process's; null: nothing.
  std::function<Result<std::shared_ptr<const DataKeyWrap>>()> data_key_wrap;
  std::function<void(WriterState, const std::string&)> on_state;
};

struct TrailStatus {
  WriterStatus writer;
  std::vector<JournalCounters> journals;
  // What /readyz asks: statements can be recorded, and the trail is not given up.
  bool is_ready = false;
  std::string reason;  // Why not.
};

class Trail {
 public:
  // Takes the state lock, opens the key, recovers, opens the journals. The journals may be used from here on
  // (records wait in them); the store is needed only where the state directory is new.
  static Result<std::unique_ptr<Trail>> open(TrailOptions options);
  ~Trail();
  Trail(const Trail&) = delete;
  Trail& operator=(const Trail&) = delete;

  // Starts the keeper and the writer. Wakers (Journal::on_room) are set before this.
  void start();
  Journal& journal(uint32_t producer);
  const std::string& node() const;
  // With the data keys of the state directory.
  const TextSealer& sealer() const;
  TrailStatus status() const;
  // After the producers ended: drains all that was published into the store, then stops. False when the
  // deadline came first; the rest stays in the state directory and is written at the next start.
  bool stop(uint32_t deadline_ms);
  // Stops without draining; for tests.
  void abandon();

 private:
  struct Impl;
  explicit Trail(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The configured name, or the host's where there is none.
std::string node_name(const std::string& configured);
// The id of a state directory that was started once.
Result<Uuid> read_state_id(const std::string& directory);

// The public key, 32 bytes, of a state directory that was started once.
Result<std::string> read_public_key(const std::string& directory);

}  // namespace ringfence::audit
