// The second witness (`attribution_watch: on` of a target): a connection of the appliance's own for each of
// the target's credentials, which asks the server once a second what its sessions run (pg_stat_activity), and
// holds that against the texts that were sent (shown_texts.h). A text that ran by a name that stands for
// another one is seen so.
//
// What always holds: a session is asked for only after its mark was taken, and compared only with what came
// behind it, so a sample is never older than what it is held against. The first of the shards has the
// connections; each shard looks at its own sessions.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/base/uuid.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/log_pause.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/timers.h"
#include "upstream.h"

namespace ringfence::proxy {

// One question about the sessions of one credential, from shard to shard and back.
struct WatchRound {
  struct Asked {
    Uuid session;
    uint32_t process_id = 0;
    std::shared_ptr<const ServerPlace> place;
    uint64_t mark = 0;
    uint64_t sent = 0;  // How many texts it had sent, where all of them were answered; else 0.
    bool is_answered = false;
    bool is_cut = false;
    std::optional<std::string> shown;
  };
  std::string target;
  std::string user;                       // The server's.
  std::vector<std::vector<Asked>> asked;  // By shard; each writes its own, until it hands the round back.
  // The first shard's: how many have not handed it back.
  size_t awaited = 0;
  ring::Event is_gathered;
};

class Watch {
 public:
  explicit Watch(PgShardState& shard);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Another snapshot is in force, or the shard begins.
  void look();
  // A session of this shard used a name that may stand for something else: its server is asked soon.
  void hurry(const std::string& target);
  // The shard takes no more sessions.
  void close_all();
  // From any thread: loops and connections that are not over.
  uint32_t alive() const { return alive_.load(std::memory_order_relaxed); }

 private:
  struct Key {
    std::string target;
    std::string user;
    auto operator<=>(const Key&) const = default;
  };
  // One credential's, at the first shard.
  struct Watcher {
    explicit Watcher(ring::Timers& timers) : timer(timers, [this] { wake.set(); }) {}
    std::optional<Upstream> upstream;
    std::string kind;  // Of the connection; see kind_of().
    uint64_t used_ns = 0;
    uint64_t retry_ms = 0;
    uint64_t asked_ns = 0;
    bool is_hurried = false;
    std::string reason;  // Of the last failure.
    LogPause log_pause;
    Opening* opening = nullptr;  // While it connects.
    ring::Event wake;
    ring::CallbackTimer timer;
  };

  bool is_home() const;
  PgShardState& home() const;
  // The credential of a target that is watched in the snapshot in force.
  std::optional<Credential> credential_of(const Key& key) const;
  ring::Task<void> run(Key key, std::shared_ptr<Watcher> watcher);
  ring::Task<void> pause(Watcher& watcher, uint64_t ms);
  ring::Task<bool> gather(std::shared_ptr<WatchRound> round);
  ring::Task<bool> connect(const Key& key, const Credential& credential, Watcher& watcher);
  ring::Task<bool> ask(Watcher& watcher, WatchRound& round);
  ring::Task<bool> ask_for(Watcher& watcher, const std::vector<WatchRound::Asked*>& some);
  ring::Task<void> leave(Watcher& watcher);
  void note_failure(const Key& key, Watcher& watcher);
  void hurry_here(const std::string& target);
  // On each shard.
  void collect(WatchRound& round);
  void compare(const WatchRound& round);

  PgShardState& shard_;
  std::map<Key, std::shared_ptr<Watcher>> watchers_;
  uint64_t hurried_ns_ = 0;
  bool is_closed_ = false;
  std::atomic<uint32_t> alive_{0};
};

}  // namespace ringfence::proxy
