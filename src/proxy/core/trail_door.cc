#include "ringfence/proxy/core/trail_door.h"

#include <cstring>

namespace ringfence::proxy {

void TrailDoor::flush_deferred() {
  auto& outcomes = deferred.outcomes;
  size_t written = 0;
  for (; written < outcomes.size(); ++written) {
    const Deferred::Late& late = outcomes[written];
    char* room = space.reserve(late.body.size());
    if (room == nullptr) break;
    std::memcpy(room, late.body.data(), late.body.size());
    space.publish(audit::RecordKind::outcome, late.body.size(), late.number);
  }
  outcomes.erase(outcomes.begin(), outcomes.begin() + static_cast<std::ptrdiff_t>(written));
  auto& events = deferred.events;
  for (written = 0; written < events.size() && events[written].publish(space);) ++written;
  events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(written));
}

}  // namespace ringfence::proxy
