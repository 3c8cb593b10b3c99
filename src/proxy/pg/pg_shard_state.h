// What the sessions of one shard share. Private to the folder.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "backend_keys.h"
#include "cancel_keys.h"
#include "console_seats.h"
#include "judges.h"
#include "pinned_settings.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/session_objects.h"
#include "ringfence/proxy/core/access_cache.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/dial.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "server_place.h"

namespace ringfence::proxy {

struct PgShardState;
class CancelDesk;
class WarmPool;
class Watch;

struct PgShardState {
  ~PgShardState();
  explicit PgShardState(ShardCore& core);

  ShardCore& core;
  pg::ObjectPools pools;
  std::vector<PgShardState*> peers;  // Of all shards, this one included.
  // Those of targets that are watched.
  std::unordered_set<PgSession*> watched;
  CancelKeys cancel_keys;
  std::unique_ptr<CancelDesk> cancel_desk;
  ConsoleSeats consoles;
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
};

}  // namespace ringfence::proxy
