#include "pool_fill.h"

#include <algorithm>

#include "ringfence/base/log.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

void PoolFill::note_lasts(const std::string& target) { fillings_[target].retry_ms = 0; }

void PoolFill::look() {
  for (auto& [name, filling] : fillings_) {
    filling.retry_ms = filling.next_ns = 0;
    filling.kind.clear();
  }
}

void PoolFill::note_wish(const Target& target, policy::Level level,
                         const std::vector<pg::StartupParameter>& parameters) {
  if (target.pool.min == 0) return;
  Filling& filling = fillings_[target.name];
  if (filling.level == level && filling.parameters == parameters) return;
  filling.level = level;
  filling.parameters = parameters;
  filling.kind.clear();
  // Others may be wanted now, and those that are there may expire.
  pool_.wake();
}

// `target`: of the snapshot in force.
const std::string& PoolFill::kind_wanted(const Target& target) {
  Filling& filling = fillings_[target.name];
  if (filling.kind.empty())
    filling.kind = kind_of(target, credential_of(target, filling.level), filling.parameters);
  return filling.kind;
}

bool PoolFill::is_short(const Target& target) {
  if (pool_.is_closed() || shard_.core.is_draining || !target.pool.is_on()) return false;
  const size_t here = pool_.shelf().waiting(target.name, kind_wanted(target));
  if (here >= pool_.room().share_of(target.pool.min) || *target.warm >= target.pool.max) return false;
  return target.connections_max == 0 || PoolRoom::connections(target) < target.connections_max;
}

// Gives when the next one is to be tried.
uint64_t PoolFill::fill_all() {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  uint64_t due_ns = ring::Timers::never;
  std::vector<std::string> now;
  for (const auto& [name, target] : shard_.core.snapshot->targets) {
    if (target.pool.min == 0 || !is_short(target)) continue;
    const Filling& filling = fillings_[name];
    if (filling.is_running) continue;
    if (filling.next_ns > now_ns) due_ns = std::min(due_ns, filling.next_ns);
    else now.push_back(name);
  }
  for (const std::string& name : now) ring::spawn(fill(name));
  return due_ns;
}

void PoolFill::note_failure(const std::string& target) {
  Filling& filling = fillings_[target];
  shard_.core.counters.pool_failures.add();
  filling.retry_ms = std::clamp(filling.retry_ms * 2, pool_retry_ms_min, pool_retry_ms_max);
  filling.next_ns = shard_.core.shard.now_ns() + filling.retry_ms * 1'000'000;
}

// One after the other, as many as are to be there, or until one fails.
Task<void> PoolFill::fill(std::string name) {
  fillings_[name].is_running = true;
  WarmPool::Alive alive(pool_);
  const Target* first = shard_.core.snapshot->find_target(name);
  bool goes_on = true;
  // One more than there are to be: the first may be there to learn only.
  for (uint32_t left = first == nullptr ? 0 : pool_.room().share_of(first->pool.min) + 1; goes_on && left > 0;
       --left) {
    auto making = make_one(name);
    goes_on = co_await making;
  }
  Filling& filling = fillings_[name];
  filling.is_running = false;
  filling.next_ns = std::max(filling.next_ns, shard_.core.shard.now_ns() + pool_fill_pause_ms * 1'000'000);
  pool_.wake_at(filling.next_ns);
}

// What is made ahead before any session came has the server's own encoding pinned too (pinned_settings.h):
// the first connection tells which one that is.
bool PoolFill::has_learned_encoding(const Target& target, const Credential& credential,
                                    const std::vector<pg::StartupParameter>& parameters,
                                    const Upstream& upstream) {
  const std::string_view encoding = upstream.greeting->encoding();
  if (target.legacy_strings || encoding.empty() || names_encoding(parameters)) return false;
  Filling& filling = fillings_[target.name];
  if (filling.parameters != parameters) return true;  // Others are wanted by now.
  shard_.default_encodings.note(DefaultEncodings::login(target.name, target.database, credential.user),
                                shard_.core.snapshot->generation, encoding);
  filling.parameters.push_back({"client_encoding", std::string(encoding)});
  filling.kind.clear();
  return true;
}

// False: no more are wanted, or it failed.
Task<bool> PoolFill::make_one(std::string name) {
  const SnapshotPtr snapshot = shard_.core.snapshot;  // The target's owner.
  const Target* target = snapshot->find_target(name);
  // Its place is taken before it is made, so that no bound is passed meanwhile.
  if (target == nullptr || !is_short(*target) || !pool_.room().reserve(*target, false)) co_return false;
  const Filling& wish = fillings_[name];
  const std::optional<policy::Level> level = wish.level;
  const std::vector<pg::StartupParameter> parameters = wish.parameters;
  const Credential credential = credential_of(*target, level);
  std::vector<pg::StartupParameter> sent = parameters;
  Opening opening(shard_.core.shard, snapshot->limits.connect_ms);
  auto opening_it = open_upstream(shard_, *target, credential, opening, std::move(sent));
  auto upstream = co_await opening_it;
  if (!upstream) {
    target->warm->fetch_sub(1);
    note_failure(name);
    log_warning("no connection could be made ahead",
                {{"target", name},
                 {"reason", upstream.error().reason},
                 {"next_try_ms", std::to_string(fillings_[name].retry_ms)}});
    co_return false;
  }
  const bool has_said_more =
      !upstream->greeting->leftover.empty() || upstream->greeting->transaction_status != 'I';
  upstream->ticket = make_ticket(*target, level, parameters, kind_of(*target, credential, parameters),
                                 *upstream->greeting, shard_.core.shard.now_ns());
  if (has_learned_encoding(*target, credential, parameters, *upstream)) {
    pool_.close(std::move(*upstream));
    target->warm->fetch_sub(1);
    co_return true;
  }
  upstream->greeting.reset();
  if (has_said_more) {
    pool_.close(std::move(*upstream));
    target->warm->fetch_sub(1);
    note_failure(name);
    co_return false;
  }
  const std::string host = upstream->place->host;
  if (!pool_.keep(std::move(*upstream), target)) {
    // It leads to another host than the first, say: to make it again at once would be a login for nothing,
    // for ever.
    note_failure(name);
    log_warning("a connection that was made ahead could not be kept", {{"target", name}, {"host", host}});
    co_return false;
  }
  co_return true;
}

}  // namespace ringfence::proxy
