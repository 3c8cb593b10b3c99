#include "warm_pool.h"

#include <algorithm>

#include "goodbye.h"
#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// Names one for its session. Empty, or why that failed.
Task<std::string> name(PgShardState& shard, WarmEntry& entry, std::string application_name,
                       Opening& opening) {
  Upstream& upstream = entry.upstream;
  net::Receive& receive = *entry.receive;
  OwnAnswer answer(OwnAnswer::Kind::to_naming, upstream.ticket->settings);
  net::Deadline deadline(shard.core.shard, *upstream.stream, pool_wake_ms);
  Opening::Break breaking(opening, *upstream.stream);
  std::string message = naming_message(application_name);
  net::Send sending(*upstream.stream, message);
  Result<void> sent = co_await sending;
  if (!sent) co_return "the connection is lost";
  while (answer.state() == OwnAnswer::State::open) {
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty())
      co_return deadline.has_passed() ? "the server did not answer in time" : "the connection is lost";
    answer.take(chunk->bytes());
  }
  co_return answer.reason();
}

}  // namespace

WarmPool::WarmPool(PgShardState& shard)
    : shard_(shard),
      room_(shard, *this),
      fill_(shard, *this),
      shelf_(shard.core),
      timer_(shard.core.shard.timers(), [this] { sweep(); }) {}

bool WarmPool::fits(const Upstream& upstream) const {
  if (is_closed_ || shard_.core.is_draining || !upstream.ticket) return false;
  const Target* target = target_of(*shard_.core.snapshot, *upstream.ticket);
  if (target == nullptr) return false;
  // A later host stands in for the first while that is away, and no longer.
  if (!target->hosts.empty() && upstream.place->host != target->hosts.front()) return false;
  return end_of(*upstream.ticket) > shard_.core.shard.now_ns();
}

bool WarmPool::put(Upstream upstream) { return keep(std::move(upstream), nullptr); }

// False: it was closed. `reserved`: it was made ahead, and its place taken before.
bool WarmPool::keep(Upstream upstream, const Target* reserved) {
  const Target* target = fits(upstream) ? target_of(*shard_.core.snapshot, *upstream.ticket) : nullptr;
  const bool has_place = reserved != nullptr && target != nullptr && target->warm == reserved->warm;
  if (target == nullptr || (!has_place && !room_.reserve(*target, true))) {
    shard_.core.counters.pool_discards.add();
    close(std::move(upstream));
    if (reserved != nullptr && !has_place) reserved->warm->fetch_sub(1);
    return false;
  }
  if (reserved != nullptr && !has_place) reserved->warm->fetch_sub(1);
  const uint64_t now_ns = shard_.core.shard.now_ns();
  auto entry = std::make_unique<WarmEntry>(*this, std::move(upstream), *target, now_ns);
  entry->was_made_ahead = reserved != nullptr;
  const uint64_t end_ns = end_of(*shelf_.add(target->name, std::move(entry)).upstream.ticket);
  wake_at(std::min(now_ns + target->pool.idle_ms * 1'000'000, end_ns));
  return true;
}

Upstream WarmPool::hand_out(WarmEntry& entry, const Target& target, std::string_view application_name) {
  Upstream upstream = std::move(entry.upstream);
  upstream.ticket->is_warm = true;
  upstream.greeting = greeting_of(*upstream.ticket, application_name);
  if (target.pool.min > 0) wake();
  return upstream;
}

std::optional<Upstream> WarmPool::take_fresh(const Target& target, const std::string& kind,
                                             std::string_view application_name) {
  std::unique_ptr<WarmEntry> entry = shelf_.take_newest(target.name, kind, true);
  if (!entry) return std::nullopt;
  Upstream upstream = hand_out(*entry, target, application_name);
  upstream.greeting->name_due = application_name;
  upstream.receive = std::move(entry->receive);
  return upstream;
}

Task<std::optional<Upstream>> WarmPool::take(const Target& target, std::string kind,
                                             std::string application_name, Opening& opening) {
  const std::string target_name = target.name;
  for (int i = 0; i < pool_tries_max && !opening.is_over(); ++i) {
    std::optional<Upstream> fresh = take_fresh(target, kind, application_name);
    if (fresh) co_return std::move(fresh);
    std::unique_ptr<WarmEntry> entry = shelf_.take_newest(target_name, kind, false);
    if (!entry) break;
    const uint64_t begin_ns = shard_.core.shard.now_ns();
    std::string wrong;
    {
      Alive alive(*this);
      auto naming = name(shard_, *entry, application_name, opening);
      wrong = co_await naming;
    }
    if (wrong.empty()) co_return hand_out(*entry, target, application_name);
    shard_.core.counters.pool_failures.add();
    log_debug("a warm connection is of no use any more", {{"target", target_name}, {"reason", wrong}});
    close(std::move(entry));
    // One that is silent was cut off without a word, by a firewall perhaps, and those that waited beside it
    // with it: they do not cost a login each.
    if (shard_.core.shard.now_ns() - begin_ns >= pool_wake_ms * 1'000'000) {
      while (evict(target_name)) continue;
    }
  }
  if (target.pool.min > 0) wake();
  co_return std::nullopt;
}

void WarmPool::note_failed_reset(const std::string& target, std::string_view reason) {
  const std::optional<uint64_t> kept_back = log_pauses_[target].admit(shard_.core.shard.now_ns());
  if (!kept_back) return;
  log_warning("the server did not reset a connection, which is closed",
              {{"target", target},
               {"reason", std::string(reason)},
               {"not_logged_before", std::to_string(*kept_back)}});
}

// ---------------------------------------------------------------- closing

void WarmPool::close(std::unique_ptr<WarmEntry> entry) {
  auto leaving = entry->leaving;
  auto receive = std::move(entry->receive);
  ring::spawn(say_goodbye(std::move(entry->upstream), std::move(receive), std::move(leaving)));
  if (entry->has_place) entry->warm->fetch_sub(1);
}

void WarmPool::close(Upstream upstream) {
  const Target* target = shard_.core.snapshot->find_target(upstream.ticket->target);
  auto leaving = target != nullptr ? target->leaving : std::make_shared<std::atomic<uint32_t>>(0);
  auto receive = std::make_unique<net::Receive>(*upstream.stream);
  ring::spawn(say_goodbye(std::move(upstream), std::move(receive), std::move(leaving)));
}

// Until the server has closed too, which is when it has room for another.
Task<void> WarmPool::say_goodbye(Upstream upstream, std::unique_ptr<net::Receive> receive,
                                 std::shared_ptr<std::atomic<uint32_t>> leaving) {
  Alive alive(*this);
  leaving->fetch_add(1);
  {
    net::Deadline deadline(shard_.core.shard, *upstream.stream, pool_close_ms);
    auto parting = say_goodbye_and_wait(*upstream.stream, *receive);
    co_await parting;
  }
  leaving->fetch_sub(1);
}

bool WarmPool::evict(const std::string& target) {
  WarmShelf::Entries* const found = shelf_.of(target);
  if (found == nullptr) return false;
  WarmShelf::Entries& entries = *found;
  size_t at = 0;
  const Target* of = shard_.core.snapshot->find_target(target);
  if (of != nullptr && of->pool.min > 0) {
    const std::string& wanted = fill_.kind_wanted(*of);
    while (at < entries.size() && entries[at]->upstream.ticket->kind == wanted) ++at;
    if (at == entries.size()) at = 0;
  }
  shard_.core.counters.pool_discards.add();
  close(shelf_.remove(entries, at));
  return true;
}

void WarmPool::close_all() {
  is_closed_ = true;
  timer_.cancel();
  for (auto& [name, entries] : shelf_.by_target()) {
    while (!entries.empty()) close(shelf_.remove(entries, entries.size() - 1));
  }
}

// ---------------------------------------------------------------- looking after them

void WarmPool::wake_at(uint64_t due_ns) {
  if (is_closed_ || (timer_.is_armed() && due_ns_ <= due_ns)) return;
  due_ns_ = due_ns;
  timer_.arm(due_ns);
}

void WarmPool::sweep() {
  due_ns_ = ring::Timers::never;
  uint64_t due_ns = ring::Timers::never;
  for (auto& [name, entries] : shelf_.by_target()) due_ns = std::min(due_ns, sweep(name, entries));
  due_ns = std::min(due_ns, fill_.fill_all());
  shelf_.forget_empty();
  if (due_ns != ring::Timers::never) wake_at(due_ns);
}

// Closes what is over and what nobody came for. Gives when the next one is due.
uint64_t WarmPool::sweep(const std::string& name, WarmShelf::Entries& entries) {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  const Target* target = shard_.core.snapshot->find_target(name);
  const uint64_t idle_ns = target == nullptr ? 0 : target->pool.idle_ms * 1'000'000;
  const uint32_t kept = target == nullptr ? 0 : room_.share_of(target->pool.min);
  // Only what sessions want now is kept beyond its time.
  const std::string wanted = kept > 0 ? fill_.kind_wanted(*target) : std::string();
  size_t there = WarmShelf::count(entries, wanted);
  uint64_t due_ns = ring::Timers::never;
  bool has_failed = false;
  for (size_t i = 0; i < entries.size();) {
    const WarmEntry& entry = *entries[i];
    const bool is_wanted = kept > 0 && entry.upstream.ticket->kind == wanted;
    const bool may_expire = !is_wanted || there > kept;
    const bool is_old = now_ns - entry.since_ns >= idle_ns && may_expire;
    const uint64_t end_ns = end_of(*entry.upstream.ticket);
    if (!entry.is_over && !is_old && now_ns < end_ns) {
      const bool lasts = entry.was_made_ahead && now_ns - entry.since_ns >= pool_short_life_ms * 1'000'000;
      if (lasts) fill_.note_lasts(name);
      due_ns = std::min({due_ns, end_ns, may_expire ? entry.since_ns + idle_ns : ring::Timers::never});
      ++i;
      continue;
    }
    const bool was_short = entry.was_made_ahead && now_ns - entry.since_ns < pool_short_life_ms * 1'000'000;
    // Those that end together, as the server does, are one failure.
    if (entry.is_over && was_short && !std::exchange(has_failed, true)) fill_.note_failure(name);
    if (is_wanted && !entry.is_over) --there;
    (!entry.is_over ? shard_.core.counters.pool_expired : shard_.core.counters.pool_discards).add();
    close(shelf_.remove(entries, i));
  }
  return due_ns;
}

void WarmPool::look() {
  if (is_closed_) return;
  fill_.look();
  std::erase_if(log_pauses_, [this](const auto& each) {
    return shard_.core.snapshot->find_target(each.first) == nullptr;
  });
  for (auto& [name, entries] : shelf_.by_target()) {
    for (size_t i = entries.size(); i-- > 0;) {
      const Target* target = target_of(*shard_.core.snapshot, *entries[i]->upstream.ticket);
      const bool is_over_max =
          target != nullptr && target->warm->load(std::memory_order_relaxed) > target->pool.max;
      if (target != nullptr && !is_over_max) continue;
      shard_.core.counters.pool_discards.add();
      close(shelf_.remove(entries, i));
    }
  }
  sweep();
}

}  // namespace ringfence::proxy
