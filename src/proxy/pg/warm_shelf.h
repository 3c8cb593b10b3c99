// The connections of a warm pool that wait: of each target a list, the oldest first.
//
// What always holds: a receive is watched on each, so that one that the server closes or speaks on is marked
// as over before any session gets it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "upstream.h"

namespace ringfence::proxy {

class WarmPool;

// One that waits. Told when something comes by it.
struct WarmEntry final : net::Receive::Watcher {
  // `target`: its own, of the snapshot in force. The pool outlives it.
  WarmEntry(WarmPool& pool, Upstream connection, const Target& target, uint64_t now_ns);
  void received() override;

  WarmPool& owner;
  Upstream upstream;
  std::shared_ptr<std::atomic<uint32_t>> warm;  // Of the target, on all shards.
  std::shared_ptr<std::atomic<uint32_t>> leaving;
  std::unique_ptr<net::Receive> receive;
  uint64_t since_ns;
  bool is_over = false;
  bool was_made_ahead = false;
  bool has_place = true;  // Counts among those that wait.
};

class WarmShelf {
 public:
  using Entries = std::vector<std::unique_ptr<WarmEntry>>;  // Of one target.

  explicit WarmShelf(ShardCore& core) : core_(core) {}
  // What the kernel still receives into is not destroyed. Only a process that ends in a hurry has any.
  ~WarmShelf();
  WarmShelf(const WarmShelf&) = delete;
  WarmShelf& operator=(const WarmShelf&) = delete;

  // It is the target's newest. Where it is over already, it has been told.
  WarmEntry& add(const std::string& target, std::unique_ptr<WarmEntry> entry);
  // The one of this kind that was used last, or nothing: the others may expire, and its server process has
  // what it needs at hand. It counts as its session's.
  std::unique_ptr<WarmEntry> take_newest(const std::string& target, const std::string& kind,
                                         bool has_to_be_fresh);
  // Out of those that wait, which keep their order. The caller has it.
  std::unique_ptr<WarmEntry> remove(Entries& entries, size_t at);

  // By target; some may have none.
  std::map<std::string, Entries>& by_target() { return entries_; }
  // Null: none waits.
  Entries* of(const std::string& target);
  void forget_empty();

  // How many wait, and how many of this kind that are not over.
  size_t waiting(const std::string& target) const;
  size_t waiting(const std::string& target, const std::string& kind) const;
  static size_t count(const Entries& entries, const std::string& kind);
  // Of all targets. From any thread.
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  bool is_fresh(const WarmEntry& entry) const;

  ShardCore& core_;
  std::map<std::string, Entries> entries_;
  std::atomic<uint32_t> size_{0};
};

}  // namespace ringfence::proxy
