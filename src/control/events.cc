#include "ringfence/control/events.h"

#include <cstring>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

Uuid new_event_id(uint64_t now_us) {
  auto random = crypto::random_array<8>();
  uint64_t bits = 0;
  if (random) std::memcpy(&bits, random->data(), sizeof bits);
  return uuid_v7(now_us, bits);
}

audit::EventBuilder new_event(std::string_view action, audit::Severity severity, audit::Outcome outcome,
                              audit::Category category) {
  const uint64_t now = wall_us();
  audit::EventBuilder out(category, action, severity, outcome);
  out.id(new_event_id(now)).ts(now);
  return out;
}

bool Events::publish(const audit::EventBuilder& event) const {
  audit::RecordSpace* space = space_();
  if (space == nullptr || event.publish(*space)) return true;
  log_error("an event of the appliance found no room in the trail");
  return false;
}

}  // namespace ringfence::control
