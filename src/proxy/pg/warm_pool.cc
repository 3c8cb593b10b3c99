#include "warm_pool.h"

#include <algorithm>

#include "goodbye.h"
#include "ringfence/base/log.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using ring::Task;

std::string kind_of(const Target& target, const Credential& credential,
                    const std::vector<pg::StartupParameter>& parameters) {
  crypto::Sha256 digest;
  auto add = [&digest](std::string_view text) {
    // With its length, so that no two lists of texts run together to the same bytes.
    std::array<char, 8> length;
    ringfence::detail::store_be<uint64_t>(length.data(), text.size());
    digest.update(ByteView(length.data(), length.size()));
    digest.update(text);
  };
  auto add_number = [&add](uint64_t number) { add(std::to_string(number)); };
  add(target.name);
  add_number(target.hosts.size());
  for (const std::string& host : target.hosts) add(host);
  add_number(target.port);
  add(target.database);
  add(credential.user);
  add(credential.password);
  add_number(static_cast<uint64_t>(target.sslmode));
  add_number(static_cast<uint64_t>(target.channel_binding));
  add_number(reinterpret_cast<uintptr_t>(target.tls.get()));
  for (const pg::StartupParameter& parameter : parameters) {
    add(parameter.name);
    add(parameter.value);
  }
  return std::string(crypto::view_of(digest.finish()));
}

std::unique_ptr<WarmTicket> make_ticket(const Target& target, std::optional<policy::Level> level,
                                        std::vector<pg::StartupParameter> parameters, std::string kind,
                                        const ServerGreeting& greeting, uint64_t now_ns) {
  auto out = std::make_unique<WarmTicket>();
  out->target = target.name;
  out->level = level;
  out->parameters = std::move(parameters);
  out->kind = std::move(kind);
  out->tls = target.tls;
  out->settings = ReportedSettings(greeting.settings);
  out->opened_ns = now_ns;
  out->auth_method = greeting.auth_method;
  out->tls_version = greeting.tls_version;
  return out;
}

std::unique_ptr<ServerGreeting> greeting_of(const WarmTicket& ticket, std::string_view application_name) {
  auto out = std::make_unique<ServerGreeting>();
  out->settings = ticket.settings.now();
  for (auto& [name, value] : out->settings) {
    if (name == "application_name") value = application_name;
  }
  for (const auto& [name, value] : out->settings)
    pg::append_parameter_status(out->parameter_statuses, name, value);
  out->auth_method = ticket.auth_method;
  out->tls_version = ticket.tls_version;
  return out;
}

namespace {
// A session's level names one; a connection that is made before any session came has the target's own.
Credential credential_of(const Target& target, std::optional<policy::Level> level) {
  return level ? target.credential_for(*level) : Credential{target.user, target.password};
}
}  // namespace

// ---------------------------------------------------------------- one that waits

WarmPool::Entry::Entry(WarmPool& owner, Upstream connection, const Target& target, uint64_t now_ns)
    : pool(owner),
      upstream(std::move(connection)),
      warm(target.warm),
      leaving(target.leaving),
      receive(std::make_unique<net::Receive>(*upstream.stream)),
      since_ns(now_ns) {
  pool.shard_.core.counters.pool_idle.add();
}

WarmPool::Entry::~Entry() = default;

// In the middle of the stream's own work: what is to be done is done by the timer.
void WarmPool::Entry::received() {
  is_over = true;
  pool.wake_at(pool.shard_.core.shard.now_ns());
}

WarmPool::WarmPool(PgShardState& shard)
    : shard_(shard), timer_(shard.core.shard.timers(), [this] { sweep(); }) {}

WarmPool::~WarmPool() {
  // What the kernel still receives into is not destroyed. Only a process that ends in a hurry has any.
  for (auto& [name, entries] : entries_) {
    for (auto& entry : entries) {
      if (entry->receive->is_started() && !entry->is_over) (void)entry.release();
    }
  }
}

uint64_t WarmPool::end_of(const WarmTicket& ticket) {
  return ticket.opened_ns + pool_lifetime_ms * 1'000'000;
}

const Target* WarmPool::target_of(const WarmTicket& ticket) const {
  const Target* target = shard_.core.snapshot->find_target(ticket.target);
  if (target == nullptr || !target->pool.is_on()) return nullptr;
  if (ticket.fits_generation == shard_.core.snapshot->generation) return target;
  if (kind_of(*target, credential_of(*target, ticket.level), ticket.parameters) != ticket.kind)
    return nullptr;
  ticket.fits_generation = shard_.core.snapshot->generation;
  return target;
}

bool WarmPool::fits(const Upstream& upstream) const {
  if (is_closed_ || shard_.core.is_draining || !upstream.ticket) return false;
  const Target* target = target_of(*upstream.ticket);
  if (target == nullptr) return false;
  // A later host stands in for the first while that is away, and no longer.
  if (!target->hosts.empty() && upstream.place->host != target->hosts.front()) return false;
  return end_of(*upstream.ticket) > shard_.core.shard.now_ns();
}

// Numbers of the configuration are those of the whole process.
uint32_t WarmPool::share_of(uint32_t number) const {
  const auto shards = static_cast<uint32_t>(shard_.core.peers().size());
  return number / shards + (shard_.core.options.index < number % shards ? 1 : 0);
}

// All that the server may see of a target. Sessions and places are counted before they are used, and the sum
// is looked at afterwards, in one order for all threads: of two that come at once one at least sees the
// other.
uint32_t WarmPool::connections(const Target& target) {
  return *target.sessions + *target.warm + *target.leaving;
}

// A place among those that may wait; the oldest here makes way for a newer one. `of_session`: the connection
// counts already.
bool WarmPool::reserve(const Target& target, bool of_session) {
  for (int i = 0; i < 2; ++i) {
    const uint32_t others = target.warm->fetch_add(1);
    const bool is_within =
        target.connections_max == 0 || connections(target) <= target.connections_max + (of_session ? 1 : 0);
    if (others < target.pool.max && is_within) return true;
    target.warm->fetch_sub(1);
    if (!is_within) return false;
    if (evict(target.name)) continue;
    // Other shards have all places, and one of them more than its share: it gives one up for the next that
    // comes back here.
    if (share_of(target.pool.max) > 0) ask_next(target.name, shard_.peers.size() - 1, true);
    return false;
  }
  return false;
}

bool WarmPool::put(Upstream upstream) { return keep(std::move(upstream), nullptr); }

// False: it was closed. `reserved`: it was made ahead, and its place taken before.
bool WarmPool::keep(Upstream upstream, const Target* reserved) {
  const Target* target = fits(upstream) ? target_of(*upstream.ticket) : nullptr;
  const bool has_place = reserved != nullptr && target != nullptr && target->warm == reserved->warm;
  if (target == nullptr || (!has_place && !reserve(*target, true))) {
    shard_.core.counters.pool_discards.add();
    close(std::move(upstream));
    if (reserved != nullptr && !has_place) reserved->warm->fetch_sub(1);
    return false;
  }
  if (reserved != nullptr && !has_place) reserved->warm->fetch_sub(1);
  const uint64_t now_ns = shard_.core.shard.now_ns();
  alive_.fetch_add(1, std::memory_order_relaxed);
  const std::string name = target->name;
  auto entry = std::make_unique<Entry>(*this, std::move(upstream), *target, now_ns);
  entry->was_made_ahead = reserved != nullptr;
  Entry& kept = *entry;
  const uint64_t end_ns = end_of(*kept.upstream.ticket);
  entries_[name].push_back(std::move(entry));
  if (kept.receive->watch(kept)) kept.received();
  wake_at(std::min(now_ns + target->pool.idle_ms * 1'000'000, end_ns));
  return true;
}

// Out of those that wait. The caller has it, and it counts as alive no more.
std::unique_ptr<WarmPool::Entry> WarmPool::remove(Entries& entries, size_t at) {
  std::unique_ptr<Entry> entry = std::move(entries[at]);
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  entry->receive->unwatch();
  alive_.fetch_sub(1, std::memory_order_relaxed);
  shard_.core.counters.pool_idle.subtract();
  return entry;
}

// The one that was used last: the others may expire, and its server process has what it needs at hand.
std::unique_ptr<WarmPool::Entry> WarmPool::newest(const std::string& target, const std::string& kind,
                                                  bool has_to_be_fresh) {
  auto found = entries_.find(target);
  if (found == entries_.end()) return nullptr;
  for (size_t i = found->second.size(); i-- > 0;) {
    const Entry& entry = *found->second[i];
    if (entry.is_over || entry.upstream.ticket->kind != kind) continue;
    if (has_to_be_fresh && !is_fresh(entry)) return nullptr;
    std::unique_ptr<Entry> taken = remove(found->second, i);
    taken->has_place = false;
    taken->warm->fetch_sub(1);  // It counts as its session's.
    return taken;
  }
  return nullptr;
}

bool WarmPool::is_fresh(const Entry& entry) const {
  return shard_.core.shard.now_ns() - entry.since_ns < pool_fresh_ms * 1'000'000;
}

Upstream WarmPool::hand_out(Entry& entry, const Target& target, std::string_view application_name) {
  Upstream upstream = std::move(entry.upstream);
  upstream.ticket->is_warm = true;
  upstream.greeting = greeting_of(*upstream.ticket, application_name);
  if (target.pool.min > 0) wake_at(shard_.core.shard.now_ns());
  return upstream;
}

std::optional<Upstream> WarmPool::take_fresh(const Target& target, const std::string& kind,
                                             std::string_view application_name) {
  std::unique_ptr<Entry> entry = newest(target.name, kind, true);
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
    std::unique_ptr<Entry> entry = newest(target_name, kind, false);
    if (!entry) break;
    const uint64_t begin_ns = shard_.core.shard.now_ns();
    alive_.fetch_add(1, std::memory_order_relaxed);
    auto naming = name(*entry, application_name, opening);
    const std::string wrong = co_await naming;
    alive_.fetch_sub(1, std::memory_order_relaxed);
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
  if (target.pool.min > 0) wake_at(shard_.core.shard.now_ns());
  co_return std::nullopt;
}

Task<std::string> WarmPool::name(Entry& entry, std::string application_name, Opening& opening) {
  Upstream& upstream = entry.upstream;
  net::Receive& receive = *entry.receive;
  OwnAnswer answer(OwnAnswer::Kind::to_naming, upstream.ticket->settings);
  net::Deadline deadline(shard_.core.shard, *upstream.stream, pool_wake_ms);
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

void WarmPool::note_failed_reset(const std::string& target, std::string_view reason) {
  const std::optional<uint64_t> kept_back = log_pauses_[target].admit(shard_.core.shard.now_ns());
  if (!kept_back) return;
  log_warning("the server did not reset a connection, which is closed",
              {{"target", target},
               {"reason", std::string(reason)},
               {"not_logged_before", std::to_string(*kept_back)}});
}

// ---------------------------------------------------------------- closing

void WarmPool::close(std::unique_ptr<Entry> entry) {
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
  alive_.fetch_add(1, std::memory_order_relaxed);
  leaving->fetch_add(1);
  {
    net::Deadline deadline(shard_.core.shard, *upstream.stream, pool_close_ms);
    auto parting = say_goodbye_and_wait(*upstream.stream, *receive);
    co_await parting;
  }
  leaving->fetch_sub(1);
  alive_.fetch_sub(1, std::memory_order_relaxed);
}

bool WarmPool::evict(const std::string& target) {
  auto found = entries_.find(target);
  if (found == entries_.end() || found->second.empty()) return false;
  Entries& entries = found->second;
  size_t at = 0;
  const Target* of = shard_.core.snapshot->find_target(target);
  if (of != nullptr && of->pool.min > 0) {
    const std::string& wanted = kind_wanted(*of);
    while (at < entries.size() && entries[at]->upstream.ticket->kind == wanted) ++at;
    if (at == entries.size()) at = 0;
  }
  shard_.core.counters.pool_discards.add();
  close(remove(entries, at));
  return true;
}

Task<void> WarmPool::pause() {
  ring::Event over;
  ring::CallbackTimer timer(shard_.core.shard.timers(), [&over] { over.set(); });
  timer.arm(shard_.core.shard.now_ns() + pool_room_pause_ms * 1'000'000);
  co_await over;
}

Task<bool> WarmPool::make_room(const Target& target, const Opening& opening) {
  if (target.connections_max == 0) co_return true;
  const uint64_t end_ns = shard_.core.shard.now_ns() + pool_room_ms * 1'000'000;
  while (connections(target) > target.connections_max) {
    if (shard_.core.shard.now_ns() >= end_ns || opening.is_over()) co_return false;
    // What is leaving already is waited for first.
    if (*target.leaving == 0 && !evict(target.name)) ask_next(target.name, shard_.peers.size() - 1, false);
    auto pausing = pause();
    co_await pausing;
  }
  co_return true;
}

Task<bool> WarmPool::free_one(const Target& target, const Opening& opening) {
  const uint64_t end_ns = shard_.core.shard.now_ns() + pool_room_ms * 1'000'000;
  const uint32_t before = *target.warm;
  if (before == 0 && *target.leaving == 0) co_return false;
  if (before > 0 && !evict(target.name)) ask_next(target.name, shard_.peers.size() - 1, false);
  while (*target.leaving > 0 || (before > 0 && *target.warm >= before)) {
    if (shard_.core.shard.now_ns() >= end_ns || opening.is_over()) co_return false;
    auto pausing = pause();
    co_await pausing;
  }
  co_return true;
}

void WarmPool::ask_next(const std::string& target, size_t left, bool surplus) {
  if (left == 0) return;
  const auto& all = shard_.peers;
  const auto here = std::find(all.begin(), all.end(), &shard_);
  PgShardState* next = here == all.end() || here + 1 == all.end() ? all.front() : *(here + 1);
  next->core.shard.post([next, target, left, surplus] { next->warm->asked(target, left, surplus); });
}

void WarmPool::asked(const std::string& target, size_t left, bool surplus) {
  const Target* of = shard_.core.snapshot->find_target(target);
  auto found = entries_.find(target);
  const size_t here = found == entries_.end() ? 0 : found->second.size();
  const bool may_go = !surplus || (of != nullptr && here > share_of(of->pool.max));
  if (!may_go || !evict(target)) ask_next(target, left - 1, surplus);
}

void WarmPool::close_all() {
  is_closed_ = true;
  timer_.cancel();
  for (auto& [name, entries] : entries_) {
    while (!entries.empty()) close(remove(entries, entries.size() - 1));
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
  for (auto& [name, entries] : entries_) due_ns = std::min(due_ns, sweep(name, entries));
  due_ns = std::min(due_ns, fill_all());
  std::erase_if(entries_, [](const auto& each) { return each.second.empty(); });
  if (due_ns != ring::Timers::never) wake_at(due_ns);
}

// Closes what is over and what nobody came for. Gives when the next one is due.
uint64_t WarmPool::sweep(const std::string& name, Entries& entries) {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  const Target* target = shard_.core.snapshot->find_target(name);
  const uint64_t idle_ns = target == nullptr ? 0 : target->pool.idle_ms * 1'000'000;
  const uint32_t kept = target == nullptr ? 0 : share_of(target->pool.min);
  // Only what sessions want now is kept beyond its time.
  const std::string wanted = kept > 0 ? kind_wanted(*target) : std::string();
  size_t there = count(entries, wanted);
  uint64_t due_ns = ring::Timers::never;
  bool has_failed = false;
  for (size_t i = 0; i < entries.size();) {
    const Entry& entry = *entries[i];
    const bool is_wanted = kept > 0 && entry.upstream.ticket->kind == wanted;
    const bool may_expire = !is_wanted || there > kept;
    const bool is_old = now_ns - entry.since_ns >= idle_ns && may_expire;
    const uint64_t end_ns = end_of(*entry.upstream.ticket);
    if (!entry.is_over && !is_old && now_ns < end_ns) {
      const bool lasts = entry.was_made_ahead && now_ns - entry.since_ns >= pool_short_life_ms * 1'000'000;
      if (lasts) fillings_[name].retry_ms = 0;
      due_ns = std::min({due_ns, end_ns, may_expire ? entry.since_ns + idle_ns : ring::Timers::never});
      ++i;
      continue;
    }
    const bool was_short = entry.was_made_ahead && now_ns - entry.since_ns < pool_short_life_ms * 1'000'000;
    // Those that end together, as the server does, are one failure.
    if (entry.is_over && was_short && !std::exchange(has_failed, true)) note_failure(fillings_[name]);
    if (is_wanted && !entry.is_over) --there;
    (!entry.is_over ? shard_.core.counters.pool_expired : shard_.core.counters.pool_discards).add();
    close(remove(entries, i));
  }
  return due_ns;
}

void WarmPool::look() {
  if (is_closed_) return;
  for (auto& [name, filling] : fillings_) {
    filling.retry_ms = filling.next_ns = 0;
    filling.kind.clear();
  }
  std::erase_if(log_pauses_, [this](const auto& each) {
    return shard_.core.snapshot->find_target(each.first) == nullptr;
  });
  for (auto& [name, entries] : entries_) {
    for (size_t i = entries.size(); i-- > 0;) {
      const Target* target = target_of(*entries[i]->upstream.ticket);
      const bool is_over_max =
          target != nullptr && target->warm->load(std::memory_order_relaxed) > target->pool.max;
      if (target != nullptr && !is_over_max) continue;
      shard_.core.counters.pool_discards.add();
      close(remove(entries, i));
    }
  }
  sweep();
}

// ---------------------------------------------------------------- making them ahead

void WarmPool::note_wish(const Target& target, policy::Level level,
                         const std::vector<pg::StartupParameter>& parameters) {
  if (target.pool.min == 0) return;
  Filling& filling = fillings_[target.name];
  if (filling.level == level && filling.parameters == parameters) return;
  filling.level = level;
  filling.parameters = parameters;
  filling.kind.clear();
  // Others may be wanted now, and those that are there may expire.
  wake_at(shard_.core.shard.now_ns());
}

// `target`: of the snapshot in force.
const std::string& WarmPool::kind_wanted(const Target& target) {
  Filling& filling = fillings_[target.name];
  if (filling.kind.empty())
    filling.kind = kind_of(target, credential_of(target, filling.level), filling.parameters);
  return filling.kind;
}

size_t WarmPool::count(const Entries& entries, const std::string& kind) {
  return static_cast<size_t>(std::count_if(entries.begin(), entries.end(), [&](const auto& each) {
    return !each->is_over && each->upstream.ticket->kind == kind;
  }));
}

bool WarmPool::is_short(const Target& target) {
  if (is_closed_ || shard_.core.is_draining || !target.pool.is_on()) return false;
  auto found = entries_.find(target.name);
  const size_t here = found == entries_.end() ? 0 : count(found->second, kind_wanted(target));
  if (here >= share_of(target.pool.min) || *target.warm >= target.pool.max) return false;
  return target.connections_max == 0 || connections(target) < target.connections_max;
}

// Gives when the next one is to be tried.
uint64_t WarmPool::fill_all() {
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

void WarmPool::note_failure(Filling& filling) {
  shard_.core.counters.pool_failures.add();
  filling.retry_ms = std::clamp(filling.retry_ms * 2, pool_retry_ms_min, pool_retry_ms_max);
  filling.next_ns = shard_.core.shard.now_ns() + filling.retry_ms * 1'000'000;
}

// One after the other, as many as are to be there, or until one fails.
Task<void> WarmPool::fill(std::string name) {
  fillings_[name].is_running = true;
  alive_.fetch_add(1, std::memory_order_relaxed);
  const Target* first = shard_.core.snapshot->find_target(name);
  bool goes_on = true;
  // One more than there are to be: the first may be there to learn only.
  for (uint32_t left = first == nullptr ? 0 : share_of(first->pool.min) + 1; goes_on && left > 0; --left) {
    auto making = make_one(name);
    goes_on = co_await making;
  }
  alive_.fetch_sub(1, std::memory_order_relaxed);
  Filling& filling = fillings_[name];
  filling.is_running = false;
  filling.next_ns = std::max(filling.next_ns, shard_.core.shard.now_ns() + pool_fill_pause_ms * 1'000'000);
  wake_at(filling.next_ns);
}

// What is made ahead before any session came has the server's own encoding pinned too (pinned_settings.h):
// the first connection tells which one that is.
bool WarmPool::has_learned_encoding(const Target& target, const Credential& credential,
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
Task<bool> WarmPool::make_one(std::string name) {
  const SnapshotPtr snapshot = shard_.core.snapshot;  // The target's owner.
  const Target* target = snapshot->find_target(name);
  // Its place is taken before it is made, so that no bound is passed meanwhile.
  if (target == nullptr || !is_short(*target) || !reserve(*target, false)) co_return false;
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
    Filling& filling = fillings_[name];
    note_failure(filling);
    log_warning("no connection could be made ahead", {{"target", name},
                                                      {"reason", upstream.error().reason},
                                                      {"next_try_ms", std::to_string(filling.retry_ms)}});
    co_return false;
  }
  const bool has_said_more =
      !upstream->greeting->leftover.empty() || upstream->greeting->transaction_status != 'I';
  upstream->ticket = make_ticket(*target, level, parameters, kind_of(*target, credential, parameters),
                                 *upstream->greeting, shard_.core.shard.now_ns());
  if (has_learned_encoding(*target, credential, parameters, *upstream)) {
    close(std::move(*upstream));
    target->warm->fetch_sub(1);
    co_return true;
  }
  upstream->greeting.reset();
  if (has_said_more) {
    close(std::move(*upstream));
    target->warm->fetch_sub(1);
    note_failure(fillings_[name]);
    co_return false;
  }
  const std::string host = upstream->place->host;
  if (!keep(std::move(*upstream), target)) {
    // It leads to another host than the first, say: to make it again at once would be a login for nothing,
    // for ever.
    note_failure(fillings_[name]);
    log_warning("a connection that was made ahead could not be kept", {{"target", name}, {"host", host}});
    co_return false;
  }
  co_return true;
}

}  // namespace ringfence::proxy
