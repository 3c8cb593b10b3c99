#include "ringfence/proxy/pg/pg_shard.h"

#include <unistd.h>

#include <utility>

#include "cancel_desk.h"
#include "pg_session.h"
#include "pg_shard_state.h"
#include "ringfence/net/socket_stream.h"
#include "warm_pool.h"
#include "watch.h"

namespace ringfence::proxy {

using ring::Task;

// ---------------------------------------------------------------- the shared state

PgShardState::PgShardState(PgShard::Options o, ring::Shard& s, audit::RecordSpace& journal, ShardWorkers w,
                           SnapshotPtr initial, std::atomic<uint32_t>& l)
    : options(std::move(o)),
      shard(s),
      space(journal),
      workers(w),
      snapshot(std::move(initial)),
      load(l),
      door{space, counters, IdSource(options.id_seed), {}, options.sealer, options.index},
      pools(options.hash_key),
      failures(s, options.failures_window_ms,
               [this](audit::EventBuilder event) {
                 event.id(door.ids.uuid(shard.now_us())).ts(shard.now_us());
                 return event.publish(space);
               }),
      own_volume(options.volume == nullptr ? std::make_unique<TrailVolume>() : nullptr),
      user_meters((own_volume ? *own_volume : *options.volume).users),
      address_meters((own_volume ? *own_volume : *options.volume).addresses),
      cancel_desk(std::make_unique<CancelDesk>(*this)),
      judges(options.hash_key),
      backend_keys(shard, workers.logins, counters),
      warm(std::make_unique<WarmPool>(*this)),
      watch(std::make_unique<Watch>(*this)),
      room(shard),
      disk_sync(shard, workers.syncs, options.sync, counters) {}

PgShardState::~PgShardState() = default;

void PgShardState::remove(PgSession& session) {
  sessions.erase(&session);
  load.fetch_sub(1, std::memory_order_relaxed);
}

// ---------------------------------------------------------------- the shard

PgShard::PgShard(Options options, ring::Shard& shard, audit::RecordSpace& space, ShardWorkers workers,
                 SnapshotPtr snapshot)
    : state_(std::make_unique<PgShardState>(std::move(options), shard, space, workers, std::move(snapshot),
                                            load_)) {
  set_peers({this});
}

PgShard::~PgShard() = default;

void PgShard::set_peers(std::vector<PgShard*> peers) {
  state_->peers = std::move(peers);
  state_->peer_states.clear();
  // Our own sessions first: most cancel requests find theirs without another thread.
  state_->peer_states.push_back(state_.get());
  for (PgShard* peer : state_->peers) {
    if (peer != this) state_->peer_states.push_back(peer->state_.get());
  }
}

const ShardCounters& PgShard::counters() const { return state_->counters; }
ring::Shard& PgShard::shard() { return state_->shard; }

void PgShard::hand_over(int fd, std::shared_ptr<ListenerFacts> listener) {
  load_.fetch_add(1, std::memory_order_relaxed);
  bool is_taken = state_->shard.post([this, fd, listener] {
    adopt(std::make_unique<net::SocketStream>(state_->shard, fd), listener);
    load_.fetch_sub(1, std::memory_order_relaxed);  // Counted as a session by now.
  });
  if (is_taken) return;
  load_.fetch_sub(1, std::memory_order_relaxed);
  ::close(fd);
}

void PgShard::adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) {
  state_->counters.connections_accepted.add();
  load_.fetch_add(1, std::memory_order_relaxed);
  auto owned = std::make_unique<PgSession>(*state_, std::move(client), std::move(listener));
  PgSession& session = *owned;
  state_->sessions.emplace(&session, std::move(owned));
  ring::spawn(PgSession::live(*state_, session));
}

void PgShard::use(SnapshotPtr snapshot) {
  state_->snapshot = std::move(snapshot);
  // Sessions may end by it, which takes them out of the list.
  std::vector<PgSession*> all;
  for (const auto& [session, owned] : state_->sessions) all.push_back(session);
  for (PgSession* session : all) {
    if (state_->sessions.contains(session)) session->reconsider();
  }
  state_->warm->look();
  state_->watch->look();
}

void PgShard::begin() {
  state_->warm->look();
  state_->watch->look();
}

SnapshotPtr PgShard::snapshot() const { return state_->snapshot; }

std::vector<model::SessionInfo> PgShard::list() const {
  std::vector<model::SessionInfo> out;
  for (const auto& [session, owned] : state_->sessions) {
    if (session->is_logged_in()) out.push_back(session->info());
  }
  return out;
}

bool PgShard::end(const Uuid& id, const EndReason& reason) {
  for (const auto& [session, owned] : state_->sessions) {
    if (!session->is_logged_in() || session->id() != id) continue;
    session->end(reason);
    return true;
  }
  return false;
}

void PgShard::end_all(const EndReason& reason) {
  std::vector<PgSession*> all;
  for (const auto& [session, owned] : state_->sessions) all.push_back(session);
  // A session that ends may remove itself at once.
  for (PgSession* session : all) {
    if (state_->sessions.contains(session)) session->end(reason);
  }
}

bool PgShard::answer_hold_here(uint64_t number, HoldAnswer answer) {
  Hold* hold = state_->holds->find(number);
  if (hold == nullptr || hold->is_for_analysis()) return false;
  return hold->end(answer.is_released ? HoldEnd::released : HoldEnd::refused, std::move(answer.reason));
}

bool PgShard::answer_hold(uint64_t number, HoldAnswer answer) {
  return state_->shard.post([this, number, answer = std::move(answer)] { answer_hold_here(number, answer); });
}

std::vector<HeldStatement> PgShard::holds() const {
  std::vector<HeldStatement> out;
  for (const auto& [number, hold] : state_->holds->all()) {
    if (!hold->is_for_analysis()) out.push_back(hold->statement);
  }
  return out;
}

void PgShard::drain() {
  state_->is_draining = true;
  state_->warm->close_all();
  state_->watch->close_all();
  std::vector<PgSession*> all;
  for (const auto& [session, owned] : state_->sessions) all.push_back(session);
  for (PgSession* session : all) {
    if (state_->sessions.contains(session)) session->drain();
  }
}

void PgShard::tell_failures() { state_->failures.tell_all(); }

uint32_t PgShard::pooled() const { return state_->warm->alive() + state_->watch->alive(); }

bool PgShard::is_drained() const { return state_->sessions.empty(); }

void PgShard::trail_has_room() {
  state_->door.flush_deferred();
  state_->room.open();
}

}  // namespace ringfence::proxy
