// Gets batches into the store, each exactly once: owns the connection, the chain's head and what to do when
// the store fails, refuses a row or does not answer.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/acceptance.h"
#include "audit/batch.h"
#include "audit/head_file.h"
#include "audit/retention.h"
#include "audit/source.h"
#include "audit/store_session.h"
#include "audit/writer_control.h"

namespace ringfence::audit {

// Used by the writer's thread; interrupt() alone by others. What it is given outlives it.
class Committer {
 public:
  Committer(const WriterOptions& options, const crypto::Ed25519KeyPair& key, WriterControl& control,
            std::vector<Source>& sources, OpenStarts& open, Batch& batch)
      : options_(options),
        key_(key),
        control_(control),
        sources_(sources),
        open_(open),
        batch_(batch),
        sealer_(options.claim.node, options.claim.seal_key, options.claim.state_id),
        heads_(options.claim.state_directory, options.claim.node),
        encoder_(options.node, options.block_rows) {}

  // The first connection: schema, claim of the node's name, checkpoints, open starts. False: ended or
  // conflict.
  bool begin();
  // Sends the batch until it is in. False: ended or conflict; the batch is then not known to be in.
  bool commit();
  // Signs the chain's head, when it is time or at once.
  void anchor(uint64_t now_ns, bool now_please);
  // Partitions ahead and retention, once an hour.
  void maintain_when_due();
  // Partitions that retention keeps because they are not as they were written; each once.
  std::vector<RetentionOutcome::Kept> take_refused() { return std::exchange(refused_, {}); }
  // What the first connection found that the trail has to tell: a store that was accepted by hand, and rows
  // in the place of open starts that the node did not seal; each once. When it is in the store, told()
  // forgets it for good.
  std::optional<Acceptance> take_acceptance() { return std::exchange(acceptance_, std::nullopt); }
  std::vector<StoreSession::RefusedStart> take_refused_starts() { return std::exchange(refused_starts_, {}); }
  void told();
  // Final: what would be published now would never be in the store.
  void conflict(const std::string& reason);
  void close();
  void interrupt();

  uint64_t& writer_seq() { return writer_seq_; }  // The next number of a row that the writer makes.

 private:
  Result<StoreSession::State> prepare();
  bool take_checkpoints(const StoreSession::State& state);
  // The store's own word on who wrote its checkpoint; fails when that was somebody else.
  Result<void> take_sealed(const StoreSession::State& state, const OpenSet& open);
  Result<void> anchor_head();
  // Where the chain of anchors goes on.
  Result<void> take_anchors();
  void build(BatchWrite& write);
  BatchResult attempt(BatchWrite& write);
  void seal(BatchWrite& write);
  bool isolate(const BatchResult& result, bool is_first);
  void finish(const BatchWrite& write, const BatchResult& result, uint64_t began);
  Result<void> connect();
  enum class InFlight : uint8_t { committed, absent, conflict };
  InFlight look_up(const BatchWrite& write, const StoreSession::State& state) const;
  bool reconnect(const BatchWrite* write, bool& is_committed);
  Result<void> make_days(store::Connection& owner);
  Result<void> make_days();
  Result<void> maintain();
  void note_kept(const RetentionOutcome& outcome);

  const WriterOptions& options_;
  const crypto::Ed25519KeyPair& key_;
  WriterControl& control_;
  std::vector<Source>& sources_;
  OpenStarts& open_;
  Batch& batch_;
  Sealer sealer_;
  HeadFile heads_;
  RowEncoder encoder_;
  bool takes_blocks_ = true;  // False: the store refused a block of this batch.
  RowEncoder::Head head_;
  SealedState sealed_;  // As the store has it; its head is head_.
  std::string seal_;
  std::optional<Acceptance> acceptance_;
  std::vector<StoreSession::RefusedStart> refused_starts_;
  uint64_t writer_seq_ = 1;

  std::unique_ptr<StoreSession> session_;
  std::mutex session_lock_;  // Held to replace the session, and to interrupt it.
  uint32_t backoff_ms_ = 0;
  uint64_t partitions_from_ = 0;
  uint64_t partitions_end_ = 0;
  uint64_t maintain_at_ns_ = 0;
  std::set<std::string> told_;  // Partitions that retention keeps.
  std::vector<RetentionOutcome::Kept> refused_;
  uint64_t anchored_ = 0;
  uint64_t anchor_ns_ = 0;
  AnchorPlace last_anchor_;
  bool is_anchor_in_doubt_ = false;  // Its INSERT had no answer: it may be in.
  uint64_t accepted_to_ = 0;
};

}  // namespace ringfence::audit
