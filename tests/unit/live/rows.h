// Batches as the trail's writer shows them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/live/hub.h"

namespace ringfence::live {

// A row's canonical bytes.
inline std::string row(uint64_t chain_no, const audit::EventBuilder& event, uint64_t recorded_at = 7) {
  audit::FieldSet set;
  audit::parse_fields(event.bytes(), set);
  std::string out;
  audit::append_canonical(out, set, {chain_no, recorded_at});
  return out;
}

inline audit::EventBuilder event(const std::string& action, const std::string& user = "ana",
                                 audit::Severity severity = audit::Severity::info) {
  audit::EventBuilder out(audit::Category::authorization, action, severity, audit::Outcome::success);
  out.text(audit::Tag::user_name, user).text(audit::Tag::target, "shop");
  return out;
}

// Numbers its rows from where the last batch has ended.
struct Trail {
  explicit Trail(Hub& to) : hub(to) {}
  void commit(const std::vector<audit::EventBuilder>& events) {
    std::deque<std::string> kept;
    std::vector<audit::CommittedRow> rows;
    for (const auto& one : events) {
      kept.push_back(row(++chain_no, one));
      rows.push_back({chain_no, kept.back()});
    }
    hub.committed({"node", 7, rows});
    // The bytes are the writer's own again: what reads them now reads this.
    for (auto& bytes : kept) bytes.assign(bytes.size(), '?');
  }
  Hub& hub;
  uint64_t chain_no = 0;
};

}  // namespace ringfence::live
