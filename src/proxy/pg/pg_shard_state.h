// What the sessions of one shard share. Private to the folder.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "backend_keys.h"
#include "cancel_keys.h"
#include "judges.h"
#include "pinned_settings.h"
#include "ringfence/net/address.h"
#include "ringfence/net/splice.h"
#include "ringfence/net/tls_stream.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/session_objects.h"
#include "ringfence/proxy/core/access_cache.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/disk_sync.h"
#include "ringfence/proxy/core/failure_reports.h"
#include "ringfence/proxy/core/hold_table.h"
#include "ringfence/proxy/core/room_queue.h"
#include "ringfence/proxy/core/trail_door.h"
#include "ringfence/proxy/core/volume.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "server_place.h"

namespace ringfence::proxy {

// A dialled server connection and where it leads, for cancel requests.
struct Dialled {
  std::unique_ptr<net::Stream> stream;
  net::Address address;
  std::string host = {};  // As configured: what its certificate has to be for.
};

struct PgShardState;
class CancelDesk;
class WarmPool;
class Watch;

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

  Judges judges;
  AccessCache accesses;
  ServerPlaces places;
  BackendKeys backend_keys;
  DefaultEncodings default_encodings;

  // Server connections that wait for their next session.
  std::unique_ptr<WarmPool> warm;
  // Connections that ask what sessions run.
  std::unique_ptr<Watch> watch;

  // Sessions that are parked. Shared with jobs on other threads, which may come back when the shard's state
  // is gone.
  std::shared_ptr<HoldTable> holds = std::make_shared<HoldTable>();

  RoomQueue room;
  DiskSync disk_sync;

  void remove(PgSession& session);
};

}  // namespace ringfence::proxy
