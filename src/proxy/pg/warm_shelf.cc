#include "warm_shelf.h"

#include <algorithm>

#include "warm_pool.h"

namespace ringfence::proxy {

WarmEntry::WarmEntry(WarmPool& pool, Upstream connection, const Target& target, uint64_t now_ns)
    : owner(pool),
      upstream(std::move(connection)),
      warm(target.warm),
      leaving(target.leaving),
      receive(std::make_unique<net::Receive>(*upstream.stream)),
      since_ns(now_ns) {}

// In the middle of the stream's own work: what is to be done is done by the timer.
void WarmEntry::received() {
  is_over = true;
  owner.wake();
}

WarmShelf::~WarmShelf() {
  for (auto& [name, entries] : entries_) {
    for (auto& entry : entries) {
      if (entry->receive->is_started() && !entry->is_over) (void)entry.release();
    }
  }
}

WarmEntry& WarmShelf::add(const std::string& target, std::unique_ptr<WarmEntry> entry) {
  core_.counters.pool_idle.add();
  size_.fetch_add(1, std::memory_order_relaxed);
  WarmEntry& kept = *entry;
  entries_[target].push_back(std::move(entry));
  if (kept.receive->watch(kept)) kept.received();
  return kept;
}

std::unique_ptr<WarmEntry> WarmShelf::remove(Entries& entries, size_t at) {
  std::unique_ptr<WarmEntry> entry = std::move(entries[at]);
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  entry->receive->unwatch();
  size_.fetch_sub(1, std::memory_order_relaxed);
  core_.counters.pool_idle.subtract();
  return entry;
}

std::unique_ptr<WarmEntry> WarmShelf::take_newest(const std::string& target, const std::string& kind,
                                                  bool has_to_be_fresh) {
  Entries* entries = of(target);
  if (entries == nullptr) return nullptr;
  for (size_t i = entries->size(); i-- > 0;) {
    const WarmEntry& entry = *(*entries)[i];
    if (entry.is_over || entry.upstream.ticket->kind != kind) continue;
    if (has_to_be_fresh && !is_fresh(entry)) return nullptr;
    std::unique_ptr<WarmEntry> taken = remove(*entries, i);
    taken->has_place = false;
    taken->warm->fetch_sub(1);
    return taken;
  }
  return nullptr;
}

bool WarmShelf::is_fresh(const WarmEntry& entry) const {
  return core_.shard.now_ns() - entry.since_ns < pool_fresh_ms * 1'000'000;
}

WarmShelf::Entries* WarmShelf::of(const std::string& target) {
  auto found = entries_.find(target);
  return found == entries_.end() || found->second.empty() ? nullptr : &found->second;
}

void WarmShelf::forget_empty() {
  std::erase_if(entries_, [](const auto& each) { return each.second.empty(); });
}

size_t WarmShelf::count(const Entries& entries, const std::string& kind) {
  return static_cast<size_t>(std::count_if(entries.begin(), entries.end(), [&](const auto& each) {
    return !each->is_over && each->upstream.ticket->kind == kind;
  }));
}

size_t WarmShelf::waiting(const std::string& target) const {
  auto found = entries_.find(target);
  return found == entries_.end() ? 0 : found->second.size();
}

size_t WarmShelf::waiting(const std::string& target, const std::string& kind) const {
  auto found = entries_.find(target);
  return found == entries_.end() ? 0 : count(found->second, kind);
}

}  // namespace ringfence::proxy
