// What the sessions of one shard share, whatever their protocol: the snapshot, the door to the trail, the
// counters, the registry. Everything runs on the shard's thread unless it says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/audit/sealing.h"
#include "ringfence/base/keyed_hash.h"
#include "ringfence/net/splice.h"
#include "ringfence/net/tls_stream.h"
#include "ringfence/proxy/core/counters.h"
#include "ringfence/proxy/core/disk_sync.h"
#include "ringfence/proxy/core/failure_reports.h"
#include "ringfence/proxy/core/hold_table.h"
#include "ringfence/proxy/core/room_queue.h"
#include "ringfence/proxy/core/session_registry.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/proxy/core/trail_door.h"
#include "ringfence/proxy/core/volume.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

// The threads that do what would hold a shard up, a pool with a queue of its own for each kind: neither a
// statement's sync nor a login waits for somebody's large statements.
struct ShardWorkers {
  ShardWorkers(ring::Workers& for_logins, ring::Workers& for_analyses, ring::Workers& for_syncs)
      : logins(for_logins), analyses(for_analyses), syncs(for_syncs) {}
  // One for all.
  ShardWorkers(ring::Workers& all) : ShardWorkers(all, all, all) {}

  ring::Workers& logins;    // Name look-ups and key derivation.
  ring::Workers& analyses;  // Statements that are too much for a shard.
  ring::Workers& syncs;     // ShardOptions::sync: one at a time for a shard.
};

class ConsoleSource;

struct ShardCoreOptions {
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
  // A login by an API key, on the shard's thread; may be empty. It does not wait.
  std::function<void(const Uuid& key)> key_used;
  // What the console shows beyond the shard's own; null: there is no console. Outlives the shard.
  ConsoleSource* console = nullptr;
  // Told of each statement that is held, and how that ended; may be null. Outlives the shard.
  HoldWatcher* hold_watcher = nullptr;
};

class ShardCore {
 public:
  using Options = ShardCoreOptions;
  ShardCore(Options options, ring::Shard& shard, audit::RecordSpace& space, ShardWorkers workers,
            SnapshotPtr snapshot);
  ~ShardCore();
  ShardCore(const ShardCore&) = delete;
  ShardCore& operator=(const ShardCore&) = delete;

  // Before the thread starts.
  void serve(ProtocolShard& protocol) { protocols_.push_back(&protocol); }
  // The cores of all shards in their order, this one included; without it this one alone.
  void set_peers(std::vector<ShardCore*> peers) { peers_ = std::move(peers); }
  const std::vector<ShardCore*>& peers() const { return peers_; }
  // When the thread runs.
  void begin();

  // From any thread: connections that this shard has or is about to get.
  uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  // The same of all shards.
  uint64_t all_load() const;
  // From any thread: server connections that belong to no session.
  uint32_t pooled() const;
  // From the acceptor's thread: hands the connection over to `protocol`, one of those that this shard serves.
  // Closes it when the shard's mailbox is full.
  void hand_over(int fd, ProtocolShard& protocol, std::shared_ptr<ListenerFacts> listener);

  // Of a protocol: a connection of its own, which it starts.
  Session& add(std::unique_ptr<Session> session);
  void remove(Session& session);
  // The same connection goes on as another session.
  Session& replace(Session& session, std::unique_ptr<Session> by);

  void use(SnapshotPtr snapshot);
  // By what is decided at this moment: the snapshot, in which access by grants is suspended once its term is
  // over, and back when the store has been heard of. Sessions ask before each chunk from their clients.
  const SnapshotPtr& look() {
    const bool is_over = snapshot->grant_term.is_over(shard.now_ns());
    if (is_over != snapshot->are_grants_stale && !snapshot->grants.empty()) suspend_grants(is_over);
    return snapshot;
  }
  std::vector<model::SessionInfo> list() const { return sessions.list(); }
  // False: no session has this id.
  bool end(const Uuid& session, const EndOrder& order);
  void end_all(const EndOrder& order);
  // No session starts from here on; those that are there end when they have nothing to finish.
  void drain();
  bool is_drained() const { return sessions.is_empty(); }
  // The word on a held statement; see hold.h. Here: whether it was the first one. From any thread: false when
  // the mailbox is full, and nothing was said.
  bool answer_hold_here(uint64_t number, HoldAnswer answer);
  bool answer_hold(uint64_t number, HoldAnswer answer);
  std::vector<HeldStatement> held() const;
  // Failed logins that were counted and not told yet; also by whoever has joined the shard's thread.
  void tell_failures() { failures.tell_all(); }
  // The journal has room again.
  void trail_has_room();

  Options options;
  ring::Shard& shard;
  audit::RecordSpace& space;
  ShardWorkers workers;
  SnapshotPtr snapshot;
  ShardCounters counters;
  TrailDoor door;
  net::TlsBuffers tls_buffers;  // Outlives the sessions.
  net::SplicePipes splice_pipes;
  FailureReports failures;
  ShardVolume volume;
  bool is_draining = false;
  // Every connection, in whatever phase.
  SessionRegistry sessions;
  // Sessions that are parked. Shared with jobs on other threads, which may come back when the shard's state
  // is gone.
  std::shared_ptr<HoldTable> holds = std::make_shared<HoldTable>();
  RoomQueue room;
  DiskSync disk_sync;

 private:
  void suspend_grants(bool are_stale);

  std::vector<ProtocolShard*> protocols_;
  std::vector<ShardCore*> peers_{this};
  std::atomic<uint32_t> load_{0};
};

}  // namespace ringfence::proxy
