#include "server_lease.h"

#include "ringfence/crypto/secret.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

ServerLease::~ServerLease() {
  if (target_sessions_) target_sessions_->fetch_sub(1, std::memory_order_relaxed);
  if (ticket() != nullptr) shard_.core.counters.pool_in_use.subtract();
}

uint32_t ServerLease::count_at(const Target& target) {
  target_sessions_ = target.sessions;
  return target_sessions_->fetch_add(1);
}

// ---------------------------------------------------------------- cancelling

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

Task<void> ServerLease::cancel() {
  auto cancelling = cancel_surely();
  co_await cancelling;
}

Task<bool> ServerLease::cancel_surely() {
  is_spoilt_ = true;
  if (!server_ || server_->cancel_key.empty()) co_return true;
  auto cancelling = cancel_upstream(shard_, server_->place, server_->process_id, server_->cancel_key);
  co_return co_await cancelling;
}

// ---------------------------------------------------------------- its name

Task<bool> ServerLease::name(ByteView* along) {
  const bool is_on_its_way = naming_.now()->is_sending();
  auto sending = naming_.now()->send(along);
  const bool is_sent = co_await sending;
  co_return is_sent && !(is_on_its_way && is_over_);
}

Task<bool> ServerLease::wait_until_named() {
  if (naming_.now() == nullptr) co_return true;
  if (naming_.now()->is_due()) co_return false;
  auto waiting = naming_.now()->wait();
  co_await waiting;
  co_return !is_over_;
}

// ---------------------------------------------------------------- the end of its session

bool ServerLease::can_be_reset() const {
  return ticket() != nullptr && !is_spoilt_ && !is_over_ && !naming_.is_awaited() &&
         shard_.warm->fits(*server_);
}

void ServerLease::note_goodbye(bool is_alone) {
  if (is_alone) naming_.end_unless_sent();
  is_spoilt_ = true;
}

Task<void> ServerLease::start_reset() {
  // The answer to a name that is asked for behind this would be the next session's.
  naming_.end();
  reset_ = std::make_unique<ServerReset>(server_->ticket->settings);
  auto sending = reset_->send(*server_->stream);
  const std::string_view wrong = co_await sending;
  if (!wrong.empty()) break_off_reset(std::string(wrong));
}

void ServerLease::break_off_reset(std::string reason) {
  if (is_over_) return;
  reset_->break_off(std::move(reason));
  server_->stream->shutdown();
}

void ServerLease::note_over() {
  is_over_ = true;
  naming_.end();
  if (!reset_ || !reset_->is_done()) server_->stream->shutdown();
}

void ServerLease::part() {
  if (reset_ && reset_->is_done()) {
    give_back();
    return;
  }
  server_->stream->shutdown();
  if (!server_->ticket) return;
  shard_.core.counters.pool_discards.add();
  if (!reset_) return;
  const std::string failure = reset_->failure();
  if (!failure.empty()) shard_.warm->note_failed_reset(server_->ticket->target, failure);
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

Task<void> ServerLease::discard() {
  if (!server_ || !server_->receive) co_return;
  shard_.core.counters.pool_discards.add();
  server_->stream->shutdown();
  net::Receive& receive = *server_->receive;
  if (receive.is_started()) Result<net::Chunk> last = co_await receive;
}

}  // namespace ringfence::proxy
