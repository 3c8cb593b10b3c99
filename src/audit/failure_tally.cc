#include "ringfence/audit/failure_tally.h"

#include "ringfence/audit/json.h"
#include "ringfence/base/clock.h"

namespace ringfence::audit {

std::string_view address_of_peer(std::string_view peer) {
  if (peer.starts_with("unix:")) return peer;
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return peer;
  // An IPv6 address without brackets has no port.
  if (!peer.starts_with('[') && peer.find(':') != colon) return peer;
  if (peer.starts_with('[') && peer[colon - 1] != ']') return peer;
  return peer.substr(0, colon);
}

bool FailureTally::count(const Key& key, uint64_t now_us) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (entry.count == 0) entry.first_us = now_us;
  ++entry.count;
  entry.last_us = now_us;
  return true;
}

void FailureTally::add(Key key, Category category, uint64_t now_us) {
  Entry entry;
  entry.category = category;
  entry.since_us = now_us;
  entries_.emplace(std::move(key), entry);
}

bool FailureTally::is_first(const Failure& failure, uint64_t now_us) {
  // As much of what a stranger chose as the trail would show of it.
  const auto kept = [](Tag tag, std::string_view value) {
    return std::string(value.substr(0, field_bytes_max(tag)));
  };
  const std::string action(failure.action);
  const std::string address = kept(Tag::client_addr, address_of_peer(failure.address));
  Key by_user{Of::user,
              action,
              address,
              kept(Tag::user_name, failure.user),
              kept(Tag::reason, failure.reason),
              kept(Tag::sqlstate, failure.sqlstate)};
  if (count(by_user, now_us)) return false;
  const bool has_room = entries_.size() < entries_max;
  // Looked for, not made: the map is no longer than the entries.
  const auto users = users_.find({action, address});
  if (has_room && (users == users_.end() || users->second < users_max)) {
    ++users_[{action, address}];
    add(std::move(by_user), failure.category, now_us);
    return true;
  }
  Key by_address{Of::address, action, address, "", "", ""};
  if (count(by_address, now_us)) return false;
  if (has_room) {
    add(std::move(by_address), failure.category, now_us);
    return true;
  }
  Key by_action{Of::action, action, "", "", "", ""};
  if (count(by_action, now_us)) return false;
  // Actions are ours, and few: for these there is always room.
  add(std::move(by_action), failure.category, now_us);
  return true;
}

FailureTally::Count FailureTally::describe(const Key& key, const Entry& entry) {
  Count out;
  const auto& [of, action, address, user, reason, sqlstate] = key;
  out.category = entry.category;
  out.action = action;
  out.address = address;
  out.user = user;
  out.reason = reason;
  out.sqlstate = sqlstate;
  out.count = entry.count;
  out.first_us = entry.first_us;
  out.last_us = entry.last_us;
  out.of = of == Of::user ? "user" : of == Of::address ? "address" : "action";
  return out;
}

void FailureTally::forget(std::map<Key, Entry>::iterator at) {
  if (std::get<0>(at->first) == Of::user) {
    auto users = users_.find({std::get<1>(at->first), std::get<2>(at->first)});
    if (--users->second == 0) users_.erase(users);
  }
  entries_.erase(at);
}

void FailureTally::tell_due(uint64_t now_us, const Tell& tell) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto here = at++;
    Entry& entry = here->second;
    // A clock that was set back begins the window anew.
    if (now_us < entry.since_us) entry.since_us = now_us;
    if (now_us - entry.since_us < window_us_) continue;
    if (entry.count == 0) {
      forget(here);
    } else if (tell(describe(here->first, entry))) {
      entry.count = 0;
      entry.since_us = now_us;
    }
  }
}

void FailureTally::tell_all(const Tell& tell) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto here = at++;
    if (here->second.count == 0 || tell(describe(here->first, here->second))) forget(here);
  }
}

EventBuilder event_of(const FailureTally::Count& count) {
  EventBuilder out(count.category, count.action, Severity::warning, Outcome::denied);
  out.text(Tag::user_name, count.user)
      .text(Tag::client_addr, count.address)
      .text(Tag::sqlstate, count.sqlstate);
  out.text(Tag::reason, count.reason.empty() ? "several" : count.reason);
  std::string metadata = "{\"count\":" + std::to_string(count.count) + ",\"first\":";
  append_json_string(metadata, rfc3339(count.first_us));
  metadata += ",\"last\":";
  append_json_string(metadata, rfc3339(count.last_us));
  metadata += ",\"of\":";
  append_json_string(metadata, count.of);
  out.text(Tag::metadata, metadata + "}");
  return out;
}

}  // namespace ringfence::audit
