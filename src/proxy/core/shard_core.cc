#include "ringfence/proxy/core/shard_core.h"

#include <unistd.h>

#include <utility>

#include "ringfence/net/socket_stream.h"

namespace ringfence::proxy {

ShardCore::ShardCore(Options o, ring::Shard& s, audit::RecordSpace& journal, ShardWorkers w,
                     SnapshotPtr initial)
    : options(std::move(o)),
      shard(s),
      space(journal),
      workers(w),
      snapshot(std::move(initial)),
      door{space, counters, IdSource(options.id_seed), {}, options.sealer, options.index},
      failures(s, options.failures_window_ms,
               [this](audit::EventBuilder event) {
                 event.id(door.ids.uuid(shard.now_us())).ts(shard.now_us());
                 return event.publish(space);
               }),
      volume(options.volume),
      room(shard),
      disk_sync(shard, workers.syncs, options.sync, counters) {}

ShardCore::~ShardCore() = default;

void ShardCore::begin() {
  for (ProtocolShard* protocol : protocols_) protocol->begin();
}

uint64_t ShardCore::all_load() const {
  uint64_t all = 0;
  for (const ShardCore* peer : peers_) all += peer->load();
  return all;
}

uint32_t ShardCore::pooled() const {
  uint32_t all = 0;
  for (const ProtocolShard* protocol : protocols_) all += protocol->pooled();
  return all;
}

void ShardCore::hand_over(int fd, ProtocolShard& protocol, std::shared_ptr<ListenerFacts> listener) {
  load_.fetch_add(1, std::memory_order_relaxed);
  const bool is_taken = shard.post([this, fd, &protocol, listener] {
    protocol.adopt(std::make_unique<net::SocketStream>(shard, fd), listener);
    load_.fetch_sub(1, std::memory_order_relaxed);  // Counted as a session by now.
  });
  if (is_taken) return;
  load_.fetch_sub(1, std::memory_order_relaxed);
  ::close(fd);
}

Session& ShardCore::add(std::unique_ptr<Session> session) {
  counters.connections_accepted.add();
  load_.fetch_add(1, std::memory_order_relaxed);
  return sessions.add(std::move(session));
}

void ShardCore::remove(Session& session) {
  sessions.remove(session);
  load_.fetch_sub(1, std::memory_order_relaxed);
}

Session& ShardCore::replace(Session& session, std::unique_ptr<Session> by) {
  Session& next = sessions.add(std::move(by));
  sessions.remove(session);
  return next;
}

void ShardCore::use(SnapshotPtr next) {
  snapshot = std::move(next);
  sessions.for_each([](Session& session) { session.reconsider(); });
  for (ProtocolShard* protocol : protocols_) protocol->reconsider();
}

// The others find it before their next chunk.
void ShardCore::suspend_grants(bool are_stale) {
  auto next = std::make_shared<Snapshot>(*snapshot);
  next->are_grants_stale = are_stale;
  snapshot = std::move(next);
}

bool ShardCore::end(const Uuid& id, const EndOrder& order) {
  Session* session = sessions.find(id);
  if (session == nullptr) return false;
  session->end_by(order);
  return true;
}

void ShardCore::end_all(const EndOrder& order) {
  sessions.for_each([&](Session& session) { session.end_by(order); });
}

void ShardCore::drain() {
  is_draining = true;
  for (ProtocolShard* protocol : protocols_) protocol->drain();
  sessions.for_each([](Session& session) { session.drain(); });
}

bool ShardCore::answer_hold_here(uint64_t number, HoldAnswer answer) {
  Hold* hold = holds->find(number);
  if (hold == nullptr || hold->is_for_analysis()) return false;
  return hold->end(answer.is_released ? HoldEnd::released : HoldEnd::refused, std::move(answer.reason));
}

bool ShardCore::answer_hold(uint64_t number, HoldAnswer answer) {
  return shard.post([this, number, answer = std::move(answer)] { answer_hold_here(number, answer); });
}

std::vector<HeldStatement> ShardCore::held() const {
  std::vector<HeldStatement> out;
  for (const auto& [number, hold] : holds->all()) {
    if (!hold->is_for_analysis()) out.push_back(hold->statement);
  }
  return out;
}

void ShardCore::trail_has_room() {
  door.flush_deferred();
  room.open();
}

}  // namespace ringfence::proxy
