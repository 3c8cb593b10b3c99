#include "server_lease.h"

#include "ringfence/crypto/secret.h"
#include "warm_pool.h"

namespace ringfence::proxy {

ServerLease::~ServerLease() {
  if (target_sessions_) target_sessions_->fetch_sub(1, std::memory_order_relaxed);
  if (ticket() != nullptr) shard_.core.counters.pool_in_use.subtract();
}

uint32_t ServerLease::count_at(const Target& target) {
  target_sessions_ = target.sessions;
  return target_sessions_->fetch_add(1);
}

Result<std::string> ServerLease::make_cancel_key(PgSession& session, bool is_long) {
  auto key = crypto::random_bytes(is_long ? 32 : 4);
  if (!key) return key;
  shard_.cancel_keys.add(server_->process_id, *key, session);
  has_cancel_key_ = true;
  return key;
}

void ServerLease::forget_cancel_key(const PgSession& session) {
  if (std::exchange(has_cancel_key_, false)) shard_.cancel_keys.remove(server_->process_id, session);
}

void ServerLease::give_back() {
  shard_.core.counters.pool_in_use.subtract();
  server_->stream->expect_long_bodies(false);
  Upstream upstream = std::move(*server_);
  server_.reset();
  if (shard_.warm->put(std::move(upstream))) shard_.core.counters.pool_returns.add();
  // The target has one session less, and perhaps one more connection that waits.
  target_sessions_->fetch_sub(1);
  target_sessions_.reset();
}

ring::Task<void> ServerLease::discard() {
  if (!server_ || !server_->receive) co_return;
  shard_.core.counters.pool_discards.add();
  server_->stream->shutdown();
  net::Receive& receive = *server_->receive;
  if (receive.is_started()) Result<net::Chunk> last = co_await receive;
}

}  // namespace ringfence::proxy
