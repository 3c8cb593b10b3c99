#include "ringfence/proxy/core/volume.h"

#include <algorithm>
#include <utility>

#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {
namespace {

uint64_t time_of(uint64_t bytes, const VolumeRule& rule) {
  return std::min(bytes, charged_bytes_max) * 1'000'000'000 / rule.bytes_per_s;
}

}  // namespace

void EarnedTime::spend(uint64_t bytes, const VolumeRule& rule, uint64_t now_ns) {
  const uint64_t cost = time_of(bytes, rule);
  uint64_t before = earned_ns_.load(std::memory_order_relaxed);
  while (
      !earned_ns_.compare_exchange_weak(before, std::max(before, now_ns) + cost, std::memory_order_relaxed)) {
  }
}

void EarnedTime::give_back(uint64_t bytes, const VolumeRule& rule) {
  const uint64_t cost = time_of(bytes, rule);
  uint64_t before = earned_ns_.load(std::memory_order_relaxed);
  while (
      !earned_ns_.compare_exchange_weak(before, before - std::min(before, cost), std::memory_order_relaxed)) {
  }
}

uint64_t EarnedTime::wait_ns(const VolumeRule& rule, uint64_t now_ns) const {
  const uint64_t earned = earned_ns_.load(std::memory_order_relaxed);
  const uint64_t until = now_ns + time_of(rule.burst_bytes, rule);
  return earned > until ? earned - until : 0;
}

std::shared_ptr<VolumeBudget> VolumeBudgets::find(std::string_view name, uint64_t now_ns) {
  std::lock_guard guard(lock_);
  std::string key(name);
  if (auto found = budgets_.find(key); found != budgets_.end()) return found->second;
  if (budgets_.size() >= sweep_at_) {
    std::erase_if(budgets_, [now_ns](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->is_whole(now_ns);
    });
    sweep_at_ = std::clamp<size_t>(budgets_.size() * 2, 64, budgets_max);
  }
  if (budgets_.size() >= budgets_max) return common_;
  return budgets_.emplace(std::move(key), std::make_shared<VolumeBudget>()).first->second;
}

size_t VolumeBudgets::size() const {
  std::lock_guard guard(lock_);
  return budgets_.size();
}

VolumeMeter::~VolumeMeter() {
  if (left_ > 0) budget_->give_back(static_cast<uint64_t>(left_), rule_);
}

uint64_t VolumeMeter::settle(uint64_t now_ns, bool is_behind) {
  if (left_ > 0) return 0;
  if (left_ < 0) budget_->spend(static_cast<uint64_t>(-left_), rule_, now_ns);
  left_ = 0;
  const uint64_t weighted = std::exchange(weighted_, 0);
  uint64_t wait = budget_->wait_ns(rule_, now_ns);
  if (is_behind) {
    const VolumeRule pace{rule_.bytes_per_s, std::min(rule_.burst_bytes, behind_burst_bytes)};
    budget_->paced().spend(weighted, pace, now_ns);
    wait = std::max(wait, budget_->paced().wait_ns(pace, now_ns));
  }
  if (wait > 0) return wait;
  budget_->spend(lease_bytes, rule_, now_ns);
  left_ = lease_bytes;
  return 0;
}

std::shared_ptr<VolumeMeter> VolumeMeters::find(std::string_view name, const VolumeRule& rule,
                                                uint64_t now_ns) {
  if (rule.bytes_per_s == 0) return nullptr;
  if (meters_.size() >= sweep_at_) {
    std::erase_if(meters_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(64, meters_.size() * 2);
  }
  std::weak_ptr<VolumeMeter>& known = meters_[std::string(name)];
  std::shared_ptr<VolumeMeter> meter = known.lock();
  // Sessions of before a reload keep the rule that they began with.
  if (!meter || meter->rule() != rule) {
    meter = std::make_shared<VolumeMeter>(budgets_.find(name, now_ns), rule);
    known = meter;
  }
  return meter;
}

}  // namespace ringfence::proxy
