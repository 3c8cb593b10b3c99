// The server connections of one shard that are logged in, belong to no session, and wait for the next one
// that wants exactly such a connection (a target's `pool`).
//
// What always holds: the server has said that it discarded what the session before had left, and has said
// nothing since; the connection is as the snapshot in force would have it. A receive is armed on each, so
// that one that the server closes or speaks on is noticed: it is closed, and what came is seen by nobody. A
// session gets one only after the server has answered once more, unless it has done so within the last
// pool_fresh_ms.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pool_fill.h"
#include "pool_room.h"
#include "ringfence/proxy/core/log_pause.h"
#include "ringfence/ring/timers.h"
#include "warm_shelf.h"

namespace ringfence::proxy {

class WarmPool {
 public:
  explicit WarmPool(PgShardState& shard);
  WarmPool(const WarmPool&) = delete;
  WarmPool& operator=(const WarmPool&) = delete;

  // One of this kind that answered just now, to be named by its session. Nothing: ask take(), which may have
  // to wait.
  std::optional<Upstream> take_fresh(const Target& target, const std::string& kind,
                                     std::string_view application_name);
  // One of this kind, named for its session or to be named by it; nothing when there is none that answers.
  ring::Task<std::optional<Upstream>> take(const Target& target, std::string kind,
                                           std::string application_name, Opening& opening);
  // A connection whose session's state is discarded; that session still counts among the target's. False: it
  // cannot be kept, and is closed.
  bool put(Upstream upstream);
  // Whether it is as the snapshot in force would have it, so that it may be kept.
  bool fits(const Upstream& upstream) const;
  // What connections made ahead are to be like: as the last session wanted its own.
  void note_wish(const Target& target, policy::Level level,
                 const std::vector<pg::StartupParameter>& parameters) {
    fill_.note_wish(target, level, parameters);
  }
  // The server did not discard a session's state as it should. `reason`: no secrets, no text of the
  // session's.
  void note_failed_reset(const std::string& target, std::string_view reason);
  // One of the target that waits here, if there is any: the oldest that is not like those to be made ahead,
  // or the oldest.
  bool evict(const std::string& target);
  // Another snapshot is in force, or the shard begins: closes what does not fit it, makes what is to be
  // there.
  void look();
  // The shard takes no more sessions.
  void close_all();
  // From any thread: connections that wait, are being closed or made.
  uint32_t alive() const { return shelf_.size() + busy_.load(std::memory_order_relaxed); }

  PoolRoom& room() { return room_; }

  // For its parts.
  const WarmShelf& shelf() const { return shelf_; }
  bool is_closed() const { return is_closed_; }
  // As put(). `reserved`: it was made ahead, and its place among those that wait taken before; null: neither.
  bool keep(Upstream upstream, const Target* reserved);
  void close(Upstream upstream);
  // Looks after them all at this time, or before; now.
  void wake_at(uint64_t due_ns);
  void wake() { wake_at(shard_.core.shard.now_ns()); }
  // A connection that alive() counts beside those that wait, for as long as this lives.
  class Alive {
   public:
    explicit Alive(WarmPool& pool) : busy_(pool.busy_) { busy_.fetch_add(1, std::memory_order_relaxed); }
    ~Alive() { busy_.fetch_sub(1, std::memory_order_relaxed); }
    Alive(const Alive&) = delete;
    Alive& operator=(const Alive&) = delete;

   private:
    std::atomic<uint32_t>& busy_;
  };

 private:
  Upstream hand_out(WarmEntry& entry, const Target& target, std::string_view application_name);
  void close(std::unique_ptr<WarmEntry> entry);
  ring::Task<void> say_goodbye(Upstream upstream, std::unique_ptr<net::Receive> receive,
                               std::shared_ptr<std::atomic<uint32_t>> leaving);
  void sweep();
  uint64_t sweep(const std::string& name, WarmShelf::Entries& entries);

  PgShardState& shard_;
  PoolRoom room_;
  PoolFill fill_;
  WarmShelf shelf_;
  std::map<std::string, LogPause> log_pauses_;  // By target.
  ring::CallbackTimer timer_;
  uint64_t due_ns_ = ring::Timers::never;
  bool is_closed_ = false;
  std::atomic<uint32_t> busy_{0};  // Connections that are being named, closed or made.
};

}  // namespace ringfence::proxy
