#include "ringfence/live/event.h"

#include <algorithm>
#include <cstring>

namespace ringfence::live {

using audit::Severity;
using audit::Tag;

namespace {

std::optional<Severity> severity_of(ByteView name) {
  for (Severity severity : {Severity::info, Severity::warning, Severity::error, Severity::critical}) {
    if (audit::name(severity) == name) return severity;
  }
  return std::nullopt;
}

bool has(const std::vector<std::string>& wanted, ByteView value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

}  // namespace

EventView view_of(uint64_t chain_no, uint64_t recorded_at_us, ByteView fields) {
  audit::FieldSet set;
  // The row's own fields come first; it stops before those of the chain.
  audit::parse_fields(fields, set);
  EventView out;
  out.chain_no = chain_no;
  out.recorded_at_us = recorded_at_us;
  out.fields = fields;
  out.category = set.get(Tag::category);
  out.action = set.get(Tag::action);
  out.outcome = set.get(Tag::outcome);
  out.user = set.get(Tag::user_name);
  out.target = set.get(Tag::target);
  out.severity = severity_of(set.get(Tag::severity));
  if (ByteView id = set.get(Tag::session_id); id.size() == sizeof(Uuid::bytes)) {
    std::memcpy(out.session.emplace().bytes.data(), id.data(), id.size());
  }
  return out;
}

bool Filter::matches(const EventView& event) const {
  if (severity_min && (!event.severity || *event.severity < *severity_min)) return false;
  if (session && event.session != session) return false;
  return has(categories, event.category) && has(actions, event.action) && has(outcomes, event.outcome) &&
         has(users, event.user) && has(targets, event.target);
}

}  // namespace ringfence::live
