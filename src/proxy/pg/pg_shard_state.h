// What the sessions of one shard share. Private to the folder.
#pragma once

#include <coroutine>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "cancel_keys.h"
#include "pinned_settings.h"
#include "ringfence/net/address.h"
#include "ringfence/net/splice.h"
#include "ringfence/net/tls_stream.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/session_objects.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/failure_reports.h"
#include "ringfence/proxy/core/hold_table.h"
#include "ringfence/proxy/core/trail_door.h"
#include "ringfence/proxy/core/volume.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "statement_judge.h"

namespace ringfence::proxy {

// A dialled server connection and where it leads, for cancel requests.
struct Dialled {
  std::unique_ptr<net::Stream> stream;
  net::Address address;
  std::string host = {};  // As configured: what its certificate has to be for.
};

struct PgShardState;
struct ServerPlace;
class CancelDesk;
class WarmPool;
class Watch;

// `co_await` until all that the shard has published is on the disk; false when the disk refuses. Only where
// options.sync is set.
class DurableWait {
 public:
  explicit DurableWait(PgShardState& shard) : shard_(shard) {}
  DurableWait(const DurableWait&) = delete;
  DurableWait& operator=(const DurableWait&) = delete;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine);
  bool await_resume() const noexcept { return is_durable_; }

 private:
  friend struct PgShardState;
  PgShardState& shard_;
  std::coroutine_handle<> coroutine_;
  DurableWait* next_ = nullptr;
  bool is_durable_ = false;
  bool is_over_ = false;
};

struct PgShardState {
  ~PgShardState();
  PgShardState(PgShard::Options o, ring::Shard& s, audit::RecordSpace& journal, ShardWorkers w,
               SnapshotPtr initial, std::atomic<uint32_t>& l);

  PgShard::Options options;
  ring::Shard& shard;
  audit::RecordSpace& space;
  ShardWorkers workers;
  SnapshotPtr snapshot;
  std::atomic<uint32_t>& load;
  ShardCounters counters;
  TrailDoor door;
  pg::ObjectPools pools;
  net::TlsBuffers tls_buffers;  // Outlives the sessions.
  net::SplicePipes splice_pipes;
  FailureReports failures;
  std::unique_ptr<TrailVolume> own_volume;  // Where the options name none.
  VolumeMeters user_meters;
  VolumeMeters address_meters;
  std::vector<PgShard*> peers;
  std::vector<PgShardState*> peer_states;
  bool is_draining = false;
  // Every connection, in whatever phase.
  std::unordered_map<PgSession*, std::unique_ptr<PgSession>> sessions;
  CancelKeys cancel_keys;
  std::unique_ptr<CancelDesk> cancel_desk;
  // Where tests put connections that are not sockets.
  std::function<ring::Task<Result<Dialled>>(const Target&)> dial;
  std::function<ring::Task<Result<Dialled>>(const ServerPlace&)> dial_place;  // For cancel requests.

  // One judge for all sessions of a user on a target; it goes with the last of them.
  JudgeSpace judge_space;
  std::unordered_map<std::string, std::weak_ptr<StatementJudge>> judges;
  std::shared_ptr<StatementJudge> judge_of(std::string_view user, std::string_view target,
                                           const policy::Access& access, policy::SessionFacts session,
                                           uint64_t generation);
  // What the user may do on the target by `by`: while that is the shard's, one object for all of the user's
  // sessions there.
  std::shared_ptr<const policy::Access> access_of(std::string_view user, std::string_view target,
                                                  const SnapshotPtr& by);
  std::unordered_map<std::string, std::weak_ptr<const policy::Access>> accesses;
  std::weak_ptr<const Snapshot> accesses_by;  // The snapshot that they were found by.
  size_t accesses_max = 64;                   // With more the dead ones are taken out.

  // Where the servers are that sessions are connected to: a few.
  std::vector<std::weak_ptr<const ServerPlace>> places;
  std::shared_ptr<const ServerPlace> shared(ServerPlace place);

  // Keys derived from backend passwords: 1.6 ms of work that is done once for each salt.
  std::map<std::string, pg::ScramKeys> derived_keys;
  std::map<std::string, std::vector<std::shared_ptr<ring::Event>>>
      derivations;  // That run, and who waits for them.

  DefaultEncodings default_encodings;

  // Server connections that wait for their next session.
  std::unique_ptr<WarmPool> warm;
  // Connections that ask what sessions run.
  std::unique_ptr<Watch> watch;

  // Sessions that are parked. Shared with jobs on other threads, which may come back when the shard's state
  // is gone.
  std::shared_ptr<HoldTable> holds = std::make_shared<HoldTable>();

  // Sessions that wait for room in the trail.
  struct RoomWaiter {
    ring::Event event;
    bool has_room = false;
  };
  std::list<RoomWaiter*> room_waiters;
  // False when no room came within trail_wait_ms.
  ring::Task<bool> wait_for_room();

  // Statements that wait until their start records are on the disk: one sync serves all that a turn of the
  // loop brought, and those that come while it runs are served by the next. In lists through the waiters
  // themselves, for there is one for each statement.
  struct SyncWaiters {
    DurableWait* first = nullptr;
    DurableWait* last = nullptr;
  };
  SyncWaiters sync_waiters;
  SyncWaiters sync_served;  // By the sync that runs.
  bool sync_is_running = false;
  void wait_for_sync(DurableWait& waiter);
  void start_sync();
  void finish_sync(bool is_durable);

  void remove(PgSession& session);
};

}  // namespace ringfence::proxy
