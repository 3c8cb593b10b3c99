#include "pool_room.h"

#include <algorithm>

#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

// Numbers of the configuration are those of the whole process.
uint32_t PoolRoom::share_of(uint32_t number) const {
  const auto shards = static_cast<uint32_t>(shard_.core.peers().size());
  return number / shards + (shard_.core.options.index < number % shards ? 1 : 0);
}

// All that the server may see of a target. Sessions and places are counted before they are used, and the sum
// is looked at afterwards, in one order for all threads: of two that come at once one at least sees the
// other.
uint32_t PoolRoom::connections(const Target& target) {
  return *target.sessions + *target.warm + *target.leaving;
}

// A place among those that may wait; the oldest here makes way for a newer one. `of_session`: the connection
// counts already.
bool PoolRoom::reserve(const Target& target, bool of_session) {
  for (int i = 0; i < 2; ++i) {
    const uint32_t others = target.warm->fetch_add(1);
    const bool is_within =
        target.connections_max == 0 || connections(target) <= target.connections_max + (of_session ? 1 : 0);
    if (others < target.pool.max && is_within) return true;
    target.warm->fetch_sub(1);
    if (!is_within) return false;
    if (pool_.evict(target.name)) continue;
    // Other shards have all places, and one of them more than its share: it gives one up for the next that
    // comes back here.
    if (share_of(target.pool.max) > 0) ask_next(target.name, shard_.peers.size() - 1, true);
    return false;
  }
  return false;
}

Task<void> PoolRoom::pause() {
  ring::Event over;
  ring::CallbackTimer timer(shard_.core.shard.timers(), [&over] { over.set(); });
  timer.arm(shard_.core.shard.now_ns() + pool_room_pause_ms * 1'000'000);
  co_await over;
}

Task<bool> PoolRoom::make_room(const Target& target, const Opening& opening) {
  if (target.connections_max == 0) co_return true;
  const uint64_t end_ns = shard_.core.shard.now_ns() + pool_room_ms * 1'000'000;
  while (connections(target) > target.connections_max) {
    if (shard_.core.shard.now_ns() >= end_ns || opening.is_over()) co_return false;
    // What is leaving already is waited for first.
    if (*target.leaving == 0 && !pool_.evict(target.name))
      ask_next(target.name, shard_.peers.size() - 1, false);
    auto pausing = pause();
    co_await pausing;
  }
  co_return true;
}

Task<bool> PoolRoom::free_one(const Target& target, const Opening& opening) {
  const uint64_t end_ns = shard_.core.shard.now_ns() + pool_room_ms * 1'000'000;
  const uint32_t before = *target.warm;
  if (before == 0 && *target.leaving == 0) co_return false;
  if (before > 0 && !pool_.evict(target.name)) ask_next(target.name, shard_.peers.size() - 1, false);
  while (*target.leaving > 0 || (before > 0 && *target.warm >= before)) {
    if (shard_.core.shard.now_ns() >= end_ns || opening.is_over()) co_return false;
    auto pausing = pause();
    co_await pausing;
  }
  co_return true;
}

void PoolRoom::ask_next(const std::string& target, size_t left, bool surplus) {
  if (left == 0) return;
  const auto& all = shard_.peers;
  const auto here = std::find(all.begin(), all.end(), &shard_);
  PgShardState* next = here == all.end() || here + 1 == all.end() ? all.front() : *(here + 1);
  next->core.shard.post([next, target, left, surplus] { next->warm->room().asked(target, left, surplus); });
}

void PoolRoom::asked(const std::string& target, size_t left, bool surplus) {
  const Target* of = shard_.core.snapshot->find_target(target);
  const bool may_go = !surplus || (of != nullptr && pool_.shelf().waiting(target) > share_of(of->pool.max));
  if (!may_go || !pool_.evict(target)) ask_next(target, left - 1, surplus);
}

}  // namespace ringfence::proxy
