#include "hold_table.h"

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

Hold::~Hold() { table_.holds_.erase(number_); }

bool Hold::end(HoldEnd how, std::string reason) {
  if (end_) return false;
  end_ = how;
  reason_ = std::move(reason);
  over.set();  // May destroy this.
  return true;
}

}  // namespace ringfence::proxy
