// Events of the appliance itself and of its administrators.
#pragma once

#include <functional>
#include <string_view>

#include "ringfence/audit/event.h"
#include "ringfence/base/uuid.h"

namespace ringfence::control {

// Random but for its time.
Uuid new_event_id(uint64_t now_us);
// With an id of its own and the time.
audit::EventBuilder new_event(std::string_view action, audit::Severity severity, audit::Outcome outcome,
                              audit::Category category = audit::Category::system);

// One thread's way into the trail.
class Events {
 public:
  // `space` gives where records are written, on the thread that publishes; null: there is no trail.
  explicit Events(std::function<audit::RecordSpace*()> space) : space_(std::move(space)) {}
  // False: it found no room, and that is told in the log. Where there is no trail nothing is recorded.
  bool publish(const audit::EventBuilder& event) const;

 private:
  std::function<audit::RecordSpace*()> space_;
};

}  // namespace ringfence::control
