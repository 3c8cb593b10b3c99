// The bound on what a session's user and its address may add to the trail (see volume.h).
#include <algorithm>

#include "pg_session.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// Longer it does not wait: with so much behind it its user's next statements would wait as long.
constexpr uint64_t volume_wait_max_ns = 10'000'000'000;
// After which it looks whether the session has ended, and whether the store has caught up.
constexpr uint64_t slice_ns = 250'000'000;
constexpr uint64_t behind_slice_ns = 20'000'000;
// Longer a lease does not wait for the store alone, which may be away.
constexpr uint64_t behind_wait_max_ns = 1'000'000'000;

}  // namespace

// Once the client has authenticated: whom its records are charged to. A Unix socket's peers have no address
// of their own.
void PgSession::meter_volume(std::string_view peer) {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  user_volume_ = shard_.core.user_meters.find(user_, limits_.volume_per_user, now_ns);
  if (!peer.starts_with("unix:")) {
    address_volume_ =
        shard_.core.address_meters.find(audit::address_of_peer(peer), limits_.volume_per_address, now_ns);
  }
  recorder_.charge_to(user_volume_.get(), address_volume_.get());
}

// How long until neither is overdrawn.
uint64_t PgSession::settle_volume(bool may_wait_for_store) {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  const bool is_behind = may_wait_for_store && shard_.core.space.waiting_bytes() > VolumeMeter::behind_bytes;
  const uint64_t user_ns = user_volume_ ? user_volume_->settle(now_ns, is_behind) : 0;
  const uint64_t address_ns = address_volume_ ? address_volume_->settle(now_ns, is_behind) : 0;
  return std::max(user_ns, address_ns);
}

// The same by the rules alone, whatever the store does.
uint64_t PgSession::volume_wait() {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  const uint64_t user_ns = user_volume_ ? user_volume_->wait_ns(now_ns) : 0;
  const uint64_t address_ns = address_volume_ ? address_volume_->wait_ns(now_ns) : 0;
  volume_is_users_ = user_ns >= address_ns;
  return std::max(user_ns, address_ns);
}

EndReason PgSession::volume_exceeded() const {
  const std::string whose = volume_is_users_
                                ? "user \"" + std::string(user_) + "\""
                                : "address " + std::string(audit::address_of_peer(recorder_.client_addr()));
  const std::string key = volume_is_users_ ? "audit.volume_per_user" : "audit.volume_per_address";
  const VolumeRule& rule = volume_is_users_ ? user_volume_->rule() : address_volume_->rule();
  return {
      std::string(pg::sqlstate::configuration_limit_exceeded),
      "terminating connection: the statements of " + whose +
          " fill the audit trail faster than the allowed " + std::to_string(rule.bytes_per_s) +
          " bytes a second",
      "The bound is " + key +
          " of the appliance's configuration (bytes_per_s, burst_bytes). Send fewer or shorter statements "
          "at a time, or have it raised."};
}

// The client's chunk waits until there is something to spend, then goes its way. False: the session has to
// end.
Task<bool> PgSession::wait_for_volume(net::Receive& receive, net::Chunk chunk) {
  shard_.core.counters.volume_waits.add();
  // Whoever waits holds none of the shard's buffers.
  chunk.detach();
  uint64_t waited_ns = 0;
  for (uint64_t wait_ns = settle_volume(); wait_ns > 0;
       wait_ns = settle_volume(waited_ns < behind_wait_max_ns)) {
    const uint64_t rule_wait_ns = volume_wait();
    if (rule_wait_ns > 0 && waited_ns + rule_wait_ns > volume_wait_max_ns) {
      shard_.core.counters.volume_refusals.add();
      end(volume_exceeded());
      co_return false;
    }
    const uint64_t slice = std::min(wait_ns, rule_wait_ns > 0 ? slice_ns : behind_slice_ns);
    ring::Event due;
    ring::CallbackTimer timer(shard_.core.shard.timers(), [&due] { due.set(); });
    timer.arm(shard_.core.shard.now_ns() + slice);
    co_await due;
    waited_ns += slice;
    active_ns_ = shard_.core.shard.now_ns();
    if (is_over(Side::client)) co_return false;
  }
  if (shard_.core.snapshot != snapshot_seen_ && !renew_access()) {
    auto ending = wait_for_server(Until::it_ends);
    co_await ending;
    co_return false;
  }
  size_t at = 0;
  Advance advance = inspect(Side::client, chunk.bytes(), at);
  if (advance != Advance::all) {
    auto waiting = wait_until_accepted(Side::client, receive, std::move(chunk), at, advance);
    bool goes_on = co_await waiting;
    co_return goes_on;
  }
  pending_chunk(Side::client) = std::move(chunk);
  co_return true;
}

}  // namespace ringfence::proxy
