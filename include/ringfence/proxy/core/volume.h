// How much one user, and one address, may add to the trail: so many bytes a second, and a burst of so many.
//
// A budget is shared by all shards; a shard takes a lease of it for its sessions, so that a record costs them
// a subtraction of their own thread's. Records are charged when they are written: a session that has spent
// more than there was waits before its next bytes are looked at, and what it had begun is recorded whole.
//
// What the store does not take at once stands in front of the others' records. So while a shard's journal has
// more than behind_bytes that are not in the store, a burst is behind_burst_bytes, and what a record has
// beyond small_bytes counts behind_weight times. The rate of small statements stays: for those the journal is
// there.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ringfence/model/limits.h"

namespace ringfence::proxy {

using model::VolumeRule;

// Used by all shards at once. It stores when all that was spent would be earned again at the rule's rate.
class EarnedTime {
 public:
  void spend(uint64_t bytes, const VolumeRule& rule, uint64_t now_ns);
  void give_back(uint64_t bytes, const VolumeRule& rule);
  // How long until there is something to spend; 0: there is.
  uint64_t wait_ns(const VolumeRule& rule, uint64_t now_ns) const;
  bool is_whole(uint64_t now_ns) const { return earned_ns_.load(std::memory_order_relaxed) <= now_ns; }

 private:
  std::atomic<uint64_t> earned_ns_{0};
};

// What one user, or one address, has spent; and the same while the store was behind, with its weights, which
// slows and never ends a session.
class VolumeBudget : public EarnedTime {
 public:
  EarnedTime& paced() { return paced_; }
  bool is_whole(uint64_t now_ns) const { return EarnedTime::is_whole(now_ns) && paced_.is_whole(now_ns); }

 private:
  EarnedTime paced_;
};

// The budgets of all users, or of all addresses. One lives on when its sessions have ended, until it is whole
// again: connecting anew does not fill it.
class VolumeBudgets {
 public:
  // More share one budget until others are whole again: some 10 MB.
  static constexpr size_t budgets_max = 65'536;
  // At login.
  std::shared_ptr<VolumeBudget> find(std::string_view name, uint64_t now_ns);
  size_t size() const;

 private:
  mutable std::mutex lock_;
  std::unordered_map<std::string, std::shared_ptr<VolumeBudget>> budgets_;
  size_t sweep_at_ = 64;
  std::shared_ptr<VolumeBudget> common_ = std::make_shared<VolumeBudget>();
};

// What the sessions of one user, or one address, on one shard share. On the shard's thread.
class VolumeMeter {
 public:
  // Some hundred statements'.
  static constexpr uint64_t lease_bytes = 64 << 10;
  static constexpr uint64_t behind_bytes = 1 << 20;
  static constexpr uint64_t behind_burst_bytes = 1 << 20;
  static constexpr uint64_t behind_weight = 4;
  static constexpr uint64_t small_bytes = 4 << 10;

  VolumeMeter(std::shared_ptr<VolumeBudget> budget, const VolumeRule& rule)
      : budget_(std::move(budget)), rule_(rule) {}
  ~VolumeMeter();
  VolumeMeter(const VolumeMeter&) = delete;
  VolumeMeter& operator=(const VolumeMeter&) = delete;

  const VolumeRule& rule() const { return rule_; }
  void charge(size_t bytes) {
    left_ -= static_cast<int64_t>(bytes);
    weighted_ += bytes;
    if (bytes > small_bytes) weighted_ += (bytes - small_bytes) * (behind_weight - 1);
  }
  bool is_spent() const { return left_ <= 0; }
  // Pays what was charged beyond the lease, and takes another one where there is something left. Gives how
  // long until then; 0: go on. `is_behind`: the shard's journal waits for the store.
  uint64_t settle(uint64_t now_ns, bool is_behind = false);
  // How long until there is something left by the rule itself.
  uint64_t wait_ns(uint64_t now_ns) const { return budget_->wait_ns(rule_, now_ns); }

 private:
  std::shared_ptr<VolumeBudget> budget_;
  VolumeRule rule_;
  int64_t left_ = 0;
  uint64_t weighted_ = 0;  // What was charged since the last settle(), with its weights.
};

// One shard's meters of users, or of addresses; they are gone with their last session.
class VolumeMeters {
 public:
  explicit VolumeMeters(VolumeBudgets& budgets) : budgets_(budgets) {}
  // nullptr: there is no bound.
  std::shared_ptr<VolumeMeter> find(std::string_view name, const VolumeRule& rule, uint64_t now_ns);

 private:
  VolumeBudgets& budgets_;
  std::unordered_map<std::string, std::weak_ptr<VolumeMeter>> meters_;
  size_t sweep_at_ = 64;
};

// Of all shards.
struct TrailVolume {
  VolumeBudgets users;
  VolumeBudgets addresses;
};

// One shard's meters of both, of `all` shards' budgets; null: this shard counts alone.
class ShardVolume {
 public:
  explicit ShardVolume(TrailVolume* all)
      : own_(all == nullptr ? std::make_unique<TrailVolume>() : nullptr),
        users((own_ ? *own_ : *all).users),
        addresses((own_ ? *own_ : *all).addresses) {}

 private:
  const std::unique_ptr<TrailVolume> own_;

 public:
  VolumeMeters users;
  VolumeMeters addresses;
};

}  // namespace ringfence::proxy
