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
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/proxy/core/log_pause.h"
#include "ringfence/ring/timers.h"
#include "upstream.h"

namespace ringfence::proxy {

// What the server shows of a connection that waits, and what RESET brings back in a session that has it.
inline constexpr std::string_view warm_application_name = "ringfence";

// A digest of all that makes two connections differ for a session: target, places, database, credential, TLS,
// startup parameters. Not reversible; of the password nothing else is kept.
std::string kind_of(const Target& target, const Credential& credential,
                    const std::vector<pg::StartupParameter>& parameters);

// Of a connection that was just logged in with these parameters.
std::unique_ptr<WarmTicket> make_ticket(const Target& target, std::optional<policy::Level> level,
                                        std::vector<pg::StartupParameter> parameters, std::string kind,
                                        const ServerGreeting& greeting, uint64_t now_ns);

// What the client of a new session is told of a connection that was logged in earlier.
std::unique_ptr<ServerGreeting> greeting_of(const WarmTicket& ticket, std::string_view application_name);

class WarmPool {
 public:
  explicit WarmPool(PgShardState& shard);
  ~WarmPool();
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
                 const std::vector<pg::StartupParameter>& parameters);
  // The server did not discard a session's state as it should. `reason`: no secrets, no text of the
  // session's.
  void note_failed_reset(const std::string& target, std::string_view reason);
  // Where a new session would go beyond the target's connections_max, one that waits is closed, on whatever
  // shard; done when the server has let go of it. False: there is no room.
  ring::Task<bool> make_room(const Target& target, const Opening& opening);
  // The same where it is the server that has no room. False: none waited, or it did not go in time.
  ring::Task<bool> free_one(const Target& target, const Opening& opening);
  // One of the target that waits here, if there is any: the oldest that is not like those to be made ahead,
  // or the oldest.
  bool evict(const std::string& target);
  // Another snapshot is in force, or the shard begins: closes what does not fit it, makes what is to be
  // there.
  void look();
  // The shard takes no more sessions.
  void close_all();
  // From any thread: connections that wait, are being closed or made.
  uint32_t alive() const { return alive_.load(std::memory_order_relaxed); }

 private:
  // One that waits. Told when something comes by it.
  struct Entry final : net::Receive::Watcher {
    Entry(WarmPool& owner, Upstream connection, const Target& target, uint64_t now_ns);
    ~Entry();
    void received() override;

    WarmPool& pool;
    Upstream upstream;
    std::shared_ptr<std::atomic<uint32_t>> warm;  // Of the target, on all shards.
    std::shared_ptr<std::atomic<uint32_t>> leaving;
    std::unique_ptr<net::Receive> receive;
    uint64_t since_ns;
    bool is_over = false;
    bool was_made_ahead = false;
    bool has_place = true;  // Counts among those that wait.
  };
  // Making connections ahead for a target.
  struct Filling {
    // What they are to be like. Without a level the target's own user logs in, as before any session came.
    std::optional<policy::Level> level;
    std::vector<pg::StartupParameter> parameters = {{"application_name", std::string(warm_application_name)},
                                                    {"standard_conforming_strings", "on"}};
    std::string kind;  // Of that, as the snapshot in force has it; empty: not known yet.
    uint64_t next_ns = 0;
    uint64_t retry_ms = 0;  // 0: the last one did not fail.
    bool is_running = false;
  };
  using Entries = std::vector<std::unique_ptr<Entry>>;  // Oldest first.

  static uint64_t end_of(const WarmTicket& ticket);
  // Of the snapshot in force, if the connection is as that would have it.
  const Target* target_of(const WarmTicket& ticket) const;
  uint32_t share_of(uint32_t number) const;
  static uint32_t connections(const Target& target);
  bool reserve(const Target& target, bool of_session);
  bool keep(Upstream upstream, const Target* reserved);
  // One shard after the other is asked to close one, until one does. `surplus`: of more than its share alone.
  void ask_next(const std::string& target, size_t left, bool surplus);
  void asked(const std::string& target, size_t left, bool surplus);
  ring::Task<void> pause();
  // Names one for its session. Empty, or why that failed.
  ring::Task<std::string> name(Entry& entry, std::string application_name, Opening& opening);
  std::unique_ptr<Entry> remove(Entries& entries, size_t at);
  std::unique_ptr<Entry> newest(const std::string& target, const std::string& kind, bool has_to_be_fresh);
  bool is_fresh(const Entry& entry) const;
  Upstream hand_out(Entry& entry, const Target& target, std::string_view application_name);
  void close(std::unique_ptr<Entry> entry);
  void close(Upstream upstream);
  ring::Task<void> say_goodbye(Upstream upstream, std::unique_ptr<net::Receive> receive,
                               std::shared_ptr<std::atomic<uint32_t>> leaving);
  void sweep();
  uint64_t sweep(const std::string& name, Entries& entries);
  void wake_at(uint64_t due_ns);
  const std::string& kind_wanted(const Target& target);
  static size_t count(const Entries& entries, const std::string& kind);
  bool is_short(const Target& target);
  uint64_t fill_all();
  ring::Task<void> fill(std::string name);
  bool has_learned_encoding(const Target& target, const Credential& credential,
                            const std::vector<pg::StartupParameter>& parameters, const Upstream& upstream);
  ring::Task<bool> make_one(std::string name);
  void note_failure(Filling& filling);

  PgShardState& shard_;
  std::map<std::string, Entries> entries_;  // By target.
  std::map<std::string, Filling> fillings_;
  std::map<std::string, LogPause> log_pauses_;  // By target.
  ring::CallbackTimer timer_;
  uint64_t due_ns_ = ring::Timers::never;
  bool is_closed_ = false;
  std::atomic<uint32_t> alive_{0};
};

}  // namespace ringfence::proxy
