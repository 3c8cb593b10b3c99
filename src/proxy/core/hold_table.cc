#include "ringfence/proxy/core/hold_table.h"

#include <algorithm>
#include <utility>

namespace ringfence::proxy {

const char* hold_end_name(HoldEnd end) {
  switch (end) {
    case HoldEnd::released: return "released";
    case HoldEnd::refused: return "refused";
    case HoldEnd::expired: return "expired";
    case HoldEnd::cancelled: return "cancelled";
    case HoldEnd::disconnected: return "disconnected";
    case HoldEnd::session_ended: return "session_ended";
  }
  return "";
}

Hold::Hold(HoldTable& table, ring::Timers& timers, uint64_t due_ns, bool is_for_analysis)
    : table_(table),
      number_(++table.last_),
      due_ns_(due_ns),
      is_for_analysis_(is_for_analysis),
      deadline_(timers, [this] { end(HoldEnd::expired); }) {
  table_.holds_.emplace(number_, this);
  deadline_.arm(due_ns);
}

Hold::~Hold() {
  table_.holds_.erase(number_);
  if (turn_of_.empty()) return;
  auto waiting = table_.turns_.find(turn_of_);
  if (waiting != table_.turns_.end()) std::erase(waiting->second, number_);
}

bool Hold::end(HoldEnd how, std::string reason) {
  if (end_) return false;
  end_ = how;
  reason_ = std::move(reason);
  over.set();  // May destroy this.
  return true;
}

void HoldTable::take_turn(Hold& hold, std::string_view user, std::function<bool()> begin) {
  auto at = turns_.find(user);
  if (at == turns_.end()) {
    turns_.emplace(user, std::deque<uint64_t>());
    if (!begin()) end_turn(std::string(user));
    return;
  }
  hold.turn_of_ = user;
  hold.begin_ = std::move(begin);
  at->second.push_back(hold.number());
}

void HoldTable::end_turn(const std::string& user) {
  auto at = turns_.find(user);
  while (!at->second.empty()) {
    Hold* next = find(at->second.front());
    at->second.pop_front();
    if (next == nullptr || next->ended_by()) continue;
    next->turn_of_.clear();
    // Where it cannot begin it is told, and may be gone.
    auto begin = std::move(next->begin_);
    if (begin()) return;
  }
  turns_.erase(at);
}

}  // namespace ringfence::proxy
