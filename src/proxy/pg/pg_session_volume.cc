// A client waits whose user, or address, adds too much to the trail (session_volume.h).
#include <algorithm>

#include "pg_session.h"

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

// The client's chunk waits until there is something to spend, then goes its way. False: the session has to
// end.
Task<bool> PgSession::wait_for_volume(net::Receive& receive, net::Chunk chunk) {
  shard_.core.counters.volume_waits.add();
  // Whoever waits holds none of the shard's buffers.
  chunk.detach();
  uint64_t waited_ns = 0;
  for (uint64_t wait_ns = volume_.settle(shard_); wait_ns > 0;
       wait_ns = volume_.settle(shard_, waited_ns < behind_wait_max_ns)) {
    const uint64_t rule_wait_ns = volume_.wait_ns(shard_.core.shard.now_ns());
    if (rule_wait_ns > 0 && waited_ns + rule_wait_ns > volume_wait_max_ns) {
      shard_.core.counters.volume_refusals.add();
      end(volume_.exceeded(access_.user(), recorder_.client_addr()));
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
  if (!access_.is_current(shard_) && !renew_access()) {
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
