// The PostgreSQL sessions of one shard, and what they share there: the snapshot, the journal, the counters,
// the cancel keys. Everything runs on the shard's thread unless it says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/audit/sealing.h"
#include "ringfence/base/keyed_hash.h"
#include "ringfence/base/uuid.h"
#include "ringfence/model/session_info.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/counters.h"
#include "ringfence/proxy/core/hold.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/proxy/core/volume.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

class PgSession;
struct PgShardState;

// A listening address, as its connections know it.
struct ListenerFacts {
  std::string name;
  std::string transport;  // "tcp" or "unix".
  uint32_t connections_max = 0;
  std::atomic<uint32_t> connections{0};
};

// Why a session is ended from our side: what its client is told.
struct EndReason {
  std::string sqlstate;
  std::string message;
  std::string hint;
};

// The threads that do what would hold a shard up, a pool with a queue of its own for each kind: neither a
// statement's sync nor a login waits for somebody's large statements.
struct ShardWorkers {
  ShardWorkers(ring::Workers& for_logins, ring::Workers& for_analyses, ring::Workers& for_syncs)
      : logins(for_logins), analyses(for_analyses), syncs(for_syncs) {}
  // One for all.
  ShardWorkers(ring::Workers& all) : ShardWorkers(all, all, all) {}

  ring::Workers& logins;    // Name look-ups and key derivation.
  ring::Workers& analyses;  // Statements that are too much for a shard.
  ring::Workers& syncs;     // Options::sync: one at a time for a shard.
};

class PgShard {
 public:
  struct Options {
    unsigned index = 0;
    std::string node;
    uint64_t id_seed = 0;  // Random.
    HashKey hash_key;  // Random, and a secret: of the tables whose keys clients choose, names and statements.
    // audit.durability: disk. Makes everything that this shard has published survive a power cut; called on a
    // worker. Empty: a record counts as soon as it is published.
    std::function<Result<void>()> sync;
    // audit.failures_window_ms: see audit::FailureTally.
    uint64_t failures_window_ms = 10'000;
    // What users and addresses may add to the trail on all shards; null: this one counts alone. Outlives the
    // shard.
    TrailVolume* volume = nullptr;
    // With what clear texts are sealed whose records are redacted; null: they are not kept. Outlives the
    // shard.
    const audit::TextSealer* sealer = nullptr;
    // Told of each statement that is held, and how that ended; may be null. Outlives the shard.
    HoldWatcher* hold_watcher = nullptr;
  };
  PgShard(Options options, ring::Shard& shard, audit::RecordSpace& space, ShardWorkers workers,
          SnapshotPtr snapshot);
  ~PgShard();

  // Before the threads start: all shards, this one included, for cancel requests and bounds over all of them.
  void set_peers(std::vector<PgShard*> peers);

  // From any thread: connections that this shard has or is about to get.
  uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  // From any thread: server connections that belong to no session.
  uint32_t pooled() const;
  // From the acceptor's thread: hands the connection over. Closes it when the shard's mailbox is full.
  void hand_over(int fd, std::shared_ptr<ListenerFacts> listener);
  const ShardCounters& counters() const;
  ring::Shard& shard();

  // On the shard's thread.
  void adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener);
  // Once, when the shard's thread runs: makes the connections that are to be there before a session wants
  // them.
  void begin();
  void use(SnapshotPtr snapshot);
  SnapshotPtr snapshot() const;
  std::vector<model::SessionInfo> list() const;
  bool end(const Uuid& session, const EndReason& reason);
  void end_all(const EndReason& reason);
  // The word on a held statement; see hold.h. Here: whether it was the first one. From any thread: false when
  // the mailbox is full, and nothing was said.
  bool answer_hold_here(uint64_t number, HoldAnswer answer);
  bool answer_hold(uint64_t number, HoldAnswer answer);
  std::vector<HeldStatement> holds() const;
  // No session starts from here on; those that are there end when they have nothing to finish.
  void drain();
  bool is_drained() const;
  // Failed logins that were counted and not told yet; also by whoever has joined the shard's thread.
  void tell_failures();
  // The journal has room again.
  void trail_has_room();

  // For tests, which put their own server streams there.
  PgShardState& state() { return *state_; }

 private:
  std::unique_ptr<PgShardState> state_;
  std::atomic<uint32_t> load_{0};
};

}  // namespace ringfence::proxy
