// Follows the store: what others and this node have changed, whether it is authentic, and what holds by it.
//
// One thread with a connection of its own. It looks when the store tells of a change, once a second all the
// same, and now and then at every record, because who owns the store may change rows without telling.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "image.h"
#include "ringfence/control/authority.h"
#include "ringfence/control/control_plane.h"
#include "ringfence/control/known_versions.h"
#include "ringfence/store/connection.h"

namespace ringfence::control {

// What this node has written, and the store has confirmed.
struct Written {
  std::string key;  // "<noun> <id>"
  KnownVersions::Known known;
  int64_t revision = 0;
};

// What goes along with following. On the caller's thread of start() first, then on the follower's.
struct FollowerHooks {
  std::function<Result<void>()> prepare;           // Makes the store ready, once, before the first look.
  std::function<bool()> look_at_keys;              // In each round. True: the key ring is another one.
  std::function<void(store::Connection&)> looked;  // After each look.
};

class Follower {
 public:
  // What is referred to outlives it.
  Follower(const ControlPlaneOptions& options, const Authority& authority, KnownVersions known,
           FollowerHooks hooks);
  ~Follower();

  // The first look, on the caller's thread; then the thread begins. A store that does not answer is asked
  // again later; other errors are the caller's, among them a key ring that is not this store's.
  Result<void> start();
  void stop();

  // Whether the store is ready and has been looked at once.
  bool is_ready() const { return is_ready_; }
  // What holds now; from any thread. Null: the store has not been looked at.
  InForcePtr in_force() const;
  enum class Followed : uint8_t {
    yes,   // It holds here.
    late,  // Not yet.
    lost,  // The store does not show it, whatever it has confirmed: the record is not in force.
  };
  // Waits until it holds here, or so long. From any thread.
  Followed wait_for(const Written& written, uint64_t wait_ms);
  // Whether it is authentic, and no older version than this node has seen. From any thread.
  bool believes(const store::ControlRecord& record) const;
  // As Registry::know() has it. From any thread.
  int64_t known_version(const std::string& record) const;
  // Nanoseconds (mono_ns) of the last time that the store answered.
  uint64_t heard_ns() const { return options_.heard_ns->load(std::memory_order_relaxed); }

  // Why the key ring is not this store's, so that nothing of it is in force; empty: it is. From any thread.
  std::string key_problem() const;
  // Records that were not believed, each once until it was right again.
  uint64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }

 private:
  void run();
  // One round: connects where it has to, waits for news, looks.
  Result<void> turn();
  Result<void> connect();
  // What has changed since; `is_whole`: every record.
  Result<void> look(bool is_whole);
  // True: the key ring is this store's. At the start it has to be.
  Result<bool> check_keys(const store::ControlRecords::Changes& changes, bool is_whole);
  // `deleted`: what this look has found deleted.
  void take(const store::ControlRecord& record, const std::set<std::string>& deleted,
            std::vector<KnownVersions::Entry>& seen);
  // False: it is not authentic.
  bool take(const store::Tombstone& stone, std::vector<KnownVersions::Entry>& seen);
  void find_missing(const store::ControlRecords::Changes& all, const std::set<std::string>& deleted);
  bool knows(const Written& written) const;
  // What is waited for and was not seen yet.
  std::vector<Written> unseen();
  // What a look at every record has not shown: it is not in force, and nothing older than it is believed.
  void give_up(const std::vector<Written>& lost);
  Result<void> remember(const std::vector<Written>& lost);
  void expire();
  // Whether this node knows of policies or grants that nobody has deleted.
  bool had_rules() const;
  void close_access();
  void publish(int64_t revision, const std::vector<Written>& lost = {});
  // Tells of it once, until the record is right again.
  void distrust(const std::string& key, const std::string& why);
  // Of a record that this node has never believed.
  void distrust_stranger(const std::string& key, const std::string& why);
  void tell(const std::string& key, const std::string& why);

  const ControlPlaneOptions& options_;
  FollowerHooks hooks_;
  const Authority& authority_;
  mutable std::mutex known_lock_;  // Around reads of other threads, and around writes.
  KnownVersions known_;
  Image image_;
  std::set<std::string> distrusted_;
  std::set<std::string> strangers_;  // Told of, and still there.
  std::unique_ptr<store::Connection> connection_;
  std::mutex connection_lock_;  // Around the pointer, for stop().
  uint64_t whole_due_ns_ = 0;
  uint64_t expiry_us_ = 0;
  int64_t revision_ = 0;  // Looked at.
  bool is_starting_ = false;
  bool is_ring_new_ = false;     // What is in force was not looked at by this ring.
  bool has_wrong_ring_ = false;  // Nothing of the store was by it when every record was looked at.

  std::atomic<uint64_t> rejected_{0};
  std::atomic<bool> is_ready_{false};
  std::atomic<bool> is_stopping_{false};
  mutable std::mutex lock_;
  std::condition_variable changed_;
  InForcePtr in_force_;
  std::string key_problem_;
  std::vector<Written> written_;  // Waited for.
  std::set<std::string> lost_;    // Keys of those that were given up, for who waits.
  std::thread thread_;
};

}  // namespace ringfence::control
