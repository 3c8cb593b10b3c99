#include "inbox.h"

#include <algorithm>

namespace ringfence::live {

bool Subscription::Inbox::put(const EventPtr& event) {
  std::lock_guard guard(lock);
  if (shard == nullptr) return true;
  const size_t size = event->view().fields.size();
  const bool has_room = events == 0 || (events < limits.events_max && bytes + size <= limits.bytes_max);
  if (!has_room) {
    if (items.back().event) items.push_back({nullptr, 0});
    ++items.back().left_out;
    return false;
  }
  ++events;
  bytes += size;
  items.push_back({event, 0});
  return true;
}

void Subscription::Inbox::put_gap(uint64_t left_out) {
  std::lock_guard guard(lock);
  if (shard == nullptr) return;
  if (items.empty() || items.back().event) items.push_back({nullptr, 0});
  items.back().left_out += left_out;
}

bool Subscription::Inbox::tell() {
  std::lock_guard guard(lock);
  if (shard == nullptr || is_told || items.empty()) return true;
  is_told = shard->post([self = shared_from_this()] { self->run_news(); });
  return is_told;
}

void Subscription::Inbox::run_news() {
  // It may destroy the subscription, and this function with it.
  if (auto call = on_news) call();
}

std::vector<Item> Subscription::Inbox::take(size_t items_max) {
  std::vector<Item> out;
  std::lock_guard guard(lock);
  while (!items.empty() && out.size() < items_max) {
    if (items.front().event) {
      --events;
      bytes -= items.front().event->view().fields.size();
    }
    out.push_back(std::move(items.front()));
    items.pop_front();
  }
  if (items.empty()) is_told = false;
  return out;
}

void Subscription::Inbox::close() {
  on_news = nullptr;
  std::lock_guard guard(lock);
  shard = nullptr;
  items.clear();
}

Subscription::Subscription(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}
Subscription::~Subscription() { inbox_->close(); }
std::vector<Item> Subscription::take(size_t items_max) { return inbox_->take(items_max); }

}  // namespace ringfence::live
