// What a session has from its client's first byte to the last.
#pragma once

#include <memory>

#include "client_end.h"
#include "ending.h"
#include "now.h"
#include "pg_shard_state.h"
#include "recorder.h"
#include "server_lease.h"

namespace ringfence::proxy {

struct SessionParts {
  SessionParts(PgShardState& of, std::unique_ptr<net::Stream> stream, std::shared_ptr<ListenerFacts> at)
      : shard(of),
        listener(std::move(at)),
        snapshot(of.core.snapshot),
        recorder(of.core.door),
        id(of.core.door.ids.uuid(of.core.shard.now_us())),
        lease(of) {
    client.stream = std::move(stream);
  }
  const Limits& limits() const { return snapshot->limits; }
  uint64_t now_ns() const { return shard.core.shard.now_ns(); }
  uint64_t now_us() const { return shard.core.shard.now_us(); }
  Now now() const { return {now_ns(), now_us()}; }

  PgShardState& shard;
  ClientEnd client;
  std::shared_ptr<ListenerFacts> listener;
  SnapshotPtr snapshot;  // Of the login.
  Recorder recorder;
  Uuid id;
  ServerLease lease;
  Ending ending;
};

}  // namespace ringfence::proxy
