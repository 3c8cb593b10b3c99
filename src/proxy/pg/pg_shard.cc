#include "ringfence/proxy/pg/pg_shard.h"

#include <utility>

#include "cancel_desk.h"
#include "pg_session.h"
#include "pg_shard_state.h"
#include "warm_pool.h"
#include "watch.h"

namespace ringfence::proxy {

// ---------------------------------------------------------------- the shared state

PgShardState::PgShardState(ShardCore& c)
    : core(c),
      pools(core.options.hash_key),
      cancel_desk(std::make_unique<CancelDesk>(*this)),
      judges(core.options.hash_key),
      backend_keys(core.shard, core.workers.logins, core.counters),
      warm(std::make_unique<WarmPool>(*this)),
      watch(std::make_unique<Watch>(*this)) {}

PgShardState::~PgShardState() = default;

// ---------------------------------------------------------------- the shard

PgShard::PgShard(ShardCore& core) : state_(std::make_unique<PgShardState>(core)) {
  core.serve(*this);
  set_peers({this});
}

PgShard::~PgShard() = default;

void PgShard::set_peers(const std::vector<PgShard*>& peers) {
  state_->peers.clear();
  for (PgShard* peer : peers) state_->peers.push_back(peer->state_.get());
}

void PgShard::adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) {
  auto owned = std::make_unique<PgSession>(*state_, std::move(client), std::move(listener));
  PgSession& session = *owned;
  state_->core.add(std::move(owned));
  ring::spawn(PgSession::live(*state_, session));
}

void PgShard::begin() {
  state_->warm->look();
  state_->watch->look();
}

void PgShard::reconsider() { begin(); }

void PgShard::drain() {
  state_->warm->close_all();
  state_->watch->close_all();
}

uint32_t PgShard::pooled() const { return state_->warm->alive() + state_->watch->alive(); }

}  // namespace ringfence::proxy
