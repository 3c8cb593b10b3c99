#include "watch.h"

#include <algorithm>

#include "goodbye.h"
#include "message_reader.h"
#include "pg_session.h"
#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/messages.h"
#include "session_watch.h"
#include "warm_pool.h"
#include "watch_sample.h"

namespace ringfence::proxy {

using ring::Task;

Watch::Watch(PgShardState& shard) : shard_(shard) {}
Watch::~Watch() = default;

// ---------------------------------------------------------------- who watches what

PgShardState& Watch::home() const { return *shard_.peers.front(); }
bool Watch::is_home() const { return &home() == &shard_; }

std::optional<Credential> Watch::credential_of(const Key& key) const {
  const Target* target = shard_.core.snapshot->find_target(key.target);
  if (target == nullptr || !target->attribution_watch) return std::nullopt;
  if (target->user == key.user) return Credential{target->user, target->password};
  for (const auto& [level, credential] : target->credentials) {
    if (credential.user == key.user) return credential;
  }
  return std::nullopt;
}

void Watch::look() {
  if (is_closed_ || !is_home()) return;
  for (const auto& [name, target] : shard_.core.snapshot->targets) {
    if (!target.attribution_watch) continue;
    std::vector<Key> keys = {{name, target.user}};
    for (const auto& [level, credential] : target.credentials) keys.push_back({name, credential.user});
    for (Key& key : keys) {
      auto [at, is_new] = watchers_.try_emplace(key);
      if (!is_new) continue;
      at->second = std::make_shared<Watcher>(shard_.core.shard.timers());
      ring::spawn(run(std::move(key), at->second));
    }
  }
}

void Watch::hurry(const std::string& target) {
  const uint64_t now_ns = shard_.core.shard.now_ns();
  if (now_ns - hurried_ns_ < watch_hurried_ms * 1'000'000) return;
  hurried_ns_ = now_ns;
  home().core.shard.post([&home = home(), target] { home.watch->hurry_here(target); });
}

void Watch::hurry_here(const std::string& target) {
  for (auto& [key, watcher] : watchers_) {
    if (key.target != target || std::exchange(watcher->is_hurried, true)) continue;
    const uint64_t due_ns = watcher->asked_ns + watch_hurried_ms * 1'000'000;
    if (watcher->timer.is_armed() && watcher->retry_ms == 0) watcher->timer.arm(due_ns);
  }
}

void Watch::close_all() {
  is_closed_ = true;
  for (auto& [key, watcher] : watchers_) {
    // What waits for the server's answer has it no more.
    if (watcher->upstream) watcher->upstream->stream->shutdown();
    if (watcher->opening != nullptr) watcher->opening->abandon();
    watcher->timer.cancel();
    watcher->wake.set();
  }
}

// ---------------------------------------------------------------- the first shard's part

Task<void> Watch::run(Key key, std::shared_ptr<Watcher> watcher) {
  alive_.fetch_add(1, std::memory_order_relaxed);
  while (!is_closed_) {
    auto pausing = pause(*watcher, std::max(watcher->retry_ms, watch_period_ms));
    co_await pausing;
    const std::optional<Credential> credential = credential_of(key);
    if (is_closed_ || !credential) break;
    auto round = std::make_shared<WatchRound>();
    round->target = key.target;
    round->user = key.user;
    auto gathering = gather(round);
    const bool is_gathered = co_await gathering;
    if (is_closed_) break;
    const uint64_t now_ns = shard_.core.shard.now_ns();
    watcher->asked_ns = now_ns;
    if (!is_gathered) continue;
    const bool is_wanted =
        std::any_of(round->asked.begin(), round->asked.end(), [](const auto& some) { return !some.empty(); });
    if (!is_wanted) {
      if (watcher->upstream && now_ns - watcher->used_ns >= watch_idle_ms * 1'000'000) {
        auto leaving = leave(*watcher);
        co_await leaving;
      }
      continue;
    }
    watcher->used_ns = now_ns;
    auto connecting = connect(key, *credential, *watcher);
    bool is_well = co_await connecting;
    if (is_well && !is_closed_) {
      auto asking = ask(*watcher, *round);
      is_well = co_await asking;
    }
    if (is_closed_) break;
    if (!is_well) {
      note_failure(key, *watcher);
      auto leaving = leave(*watcher);
      co_await leaving;
      continue;
    }
    watcher->retry_ms = 0;
    shard_.core.counters.watch_samples.add();
    for (PgShardState* peer : shard_.peers) {
      peer->core.shard.post(
          [peer, round = std::shared_ptr<const WatchRound>(round)] { peer->watch->compare(*round); });
    }
  }
  auto leaving = leave(*watcher);
  co_await leaving;
  // A look() that came meanwhile has made another one.
  if (auto at = watchers_.find(key); at != watchers_.end() && at->second == watcher) watchers_.erase(at);
  alive_.fetch_sub(1, std::memory_order_relaxed);
  look();
}

Task<void> Watch::pause(Watcher& watcher, uint64_t ms) {
  if (is_closed_) co_return;
  const bool is_hurried = std::exchange(watcher.is_hurried, false) && watcher.retry_ms == 0;
  watcher.timer.arm(shard_.core.shard.now_ns() + (is_hurried ? watch_hurried_ms : ms) * 1'000'000);
  ring::Event& wake = watcher.wake;
  co_await wake;
}

// Asks each shard which of its sessions are to be looked at. False: one of them did not answer, and may yet
// write.
Task<bool> Watch::gather(std::shared_ptr<WatchRound> round) {
  round->asked.resize(shard_.peers.size());
  round->awaited = 1;
  auto arrive = [round] {
    if (--round->awaited == 0) round->is_gathered.set();
  };
  for (PgShardState* peer : shard_.peers) {
    const bool is_posted = peer->core.shard.post([peer, round, arrive, &own = shard_.core.shard] {
      peer->watch->collect(*round);
      (void)own.post(arrive);  // Where our mailbox is full the round is given up, by its timer.
    });
    if (is_posted) ++round->awaited;
  }
  ring::CallbackTimer timer(shard_.core.shard.timers(), [round] { round->is_gathered.set(); });
  timer.arm(shard_.core.shard.now_ns() + watch_answer_ms * 1'000'000);
  arrive();
  ring::Event& gathered = round->is_gathered;
  co_await gathered;
  co_return round->awaited == 0;
}

Task<bool> Watch::connect(const Key& key, const Credential& credential, Watcher& watcher) {
  const SnapshotPtr snapshot = shard_.core.snapshot;  // The target's owner.
  const Target* target = snapshot->find_target(key.target);
  std::vector<pg::StartupParameter> parameters = {{"application_name", "ringfence watch"}};
  const std::string kind = kind_of(*target, credential, parameters);
  if (watcher.upstream && watcher.kind == kind) co_return true;
  auto leaving = leave(watcher);
  co_await leaving;
  Opening opening(shard_.core.shard, snapshot->limits.connect_ms);
  watcher.opening = &opening;
  auto opening_it = open_upstream(shard_, *target, credential, opening, std::move(parameters));
  auto upstream = co_await opening_it;
  watcher.opening = nullptr;
  if (!upstream) {
    watcher.reason = upstream.error().reason;
    co_return false;
  }
  watcher.upstream = std::move(*upstream);
  watcher.kind = kind;
  shard_.core.counters.watch_connections.add();
  co_return true;
}

// Sessions at another server than the connection's, as after a change of hosts, are not asked for. When all
// are, the next question goes by a new connection.
Task<bool> Watch::ask(Watcher& watcher, WatchRound& round) {
  std::vector<WatchRound::Asked*> some;
  size_t elsewhere = 0;
  for (auto& of_shard : round.asked) {
    for (WatchRound::Asked& asked : of_shard) {
      if (asked.place && *asked.place == *watcher.upstream->place) some.push_back(&asked);
      else ++elsewhere;
    }
  }
  if (some.empty() && elsewhere > 0) {
    watcher.reason = "the sessions are at another server than the connection";
    co_return false;
  }
  for (size_t at = 0; at < some.size(); at += watch_ids_max) {
    const std::vector<WatchRound::Asked*> part(
        some.begin() + static_cast<std::ptrdiff_t>(at),
        some.begin() + static_cast<std::ptrdiff_t>(std::min(at + watch_ids_max, some.size())));
    auto asking = ask_for(watcher, part);
    if (!co_await asking) co_return false;
  }
  co_return true;
}

Task<bool> Watch::ask_for(Watcher& watcher, const std::vector<WatchRound::Asked*>& some) {
  net::Stream& stream = *watcher.upstream->stream;
  net::Deadline deadline(shard_.core.shard, stream, watch_answer_ms);
  std::vector<uint32_t> ids;
  std::map<uint32_t, WatchRound::Asked*> by_id;
  for (WatchRound::Asked* asked : some) {
    ids.push_back(asked->process_id);
    by_id[asked->process_id] = asked;
  }
  std::string question = watch_question(ids);
  net::Send sending(stream, question);
  Result<void> sent = co_await sending;
  net::Gather in(stream);
  // A row for each, and notices between them.
  for (size_t left = ids.size() + own_answer_messages_max; sent && left > 0; --left) {
    auto reading = read_message(in, own_answer_bytes_max);
    Result<Message> message = co_await reading;
    if (!message) break;
    if (message->type == pg::from_server::ready_for_query) co_return in.size() == 0;
    if (message->type == pg::from_server::error_response) {
      const auto fields = pg::parse_error_fields(message->body);
      watcher.reason = "the server answered: " +
                       (fields ? std::string(fields->sqlstate) + " " + std::string(fields->message) : "");
      co_return false;
    }
    if (message->type != pg::from_server::data_row) continue;
    const auto row = parse_watch_row(message->body);
    const auto found = row ? by_id.find(row->process_id) : by_id.end();
    if (found == by_id.end()) break;
    found->second->is_answered = true;
    found->second->is_cut = row->is_cut;
    if (row->text) found->second->shown = *row->text;
  }
  watcher.reason = deadline.has_passed() ? "the server did not answer in time" : "the connection is lost";
  co_return false;
}

Task<void> Watch::leave(Watcher& watcher) {
  if (!watcher.upstream) co_return;
  Upstream upstream = std::move(*watcher.upstream);
  watcher.upstream.reset();
  shard_.core.counters.watch_connections.subtract();
  net::Deadline deadline(shard_.core.shard, *upstream.stream, pool_close_ms);
  auto parting = say_goodbye(*upstream.stream);
  co_await parting;
}

void Watch::note_failure(const Key& key, Watcher& watcher) {
  shard_.core.counters.watch_failures.add();
  watcher.retry_ms = std::clamp(watcher.retry_ms * 2, pool_retry_ms_min, pool_retry_ms_max);
  const std::optional<uint64_t> kept_back = watcher.log_pause.admit(shard_.core.shard.now_ns());
  if (!kept_back) return;
  log_warning("a target's sessions are not watched now", {{"target", key.target},
                                                          {"user", key.user},
                                                          {"reason", std::exchange(watcher.reason, {})},
                                                          {"not_logged_before", std::to_string(*kept_back)}});
}

// ---------------------------------------------------------------- each shard's part

void Watch::collect(WatchRound& round) {
  std::vector<WatchRound::Asked>& out = round.asked[shard_.core.options.index];
  for (PgSession* session : shard_.watched) join_watch(session->relay(), round.target, round.user, out);
}

void Watch::compare(const WatchRound& round) {
  std::map<Uuid, const WatchRound::Asked*> by_session;
  for (const WatchRound::Asked& asked : round.asked[shard_.core.options.index])
    by_session[asked.session] = &asked;
  if (by_session.empty()) return;
  // A session may end by it.
  const std::vector<PgSession*> all(shard_.watched.begin(), shard_.watched.end());
  for (PgSession* session : all) {
    if (!shard_.watched.contains(session)) continue;
    if (auto found = by_session.find(session->id()); found != by_session.end())
      compare_watch(session->relay(), *found->second);
  }
}

}  // namespace ringfence::proxy
