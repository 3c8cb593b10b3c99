// The trail as the API reads it. Each reading is an event of the trail: VIEW, with who has read what.
#pragma once

#include <functional>

#include "ringfence/audit/reading.h"
#include "ringfence/control/answer.h"

namespace ringfence::control {

class TrailDirectory {
 public:
  // Called on the home shard's thread, perhaps before the call returns, and at most once. It may come late.
  using Done = std::function<void(Answer)>;
  virtual ~TrailDirectory() = default;

  // As TrailReader has it. Kind::invalid: the request makes no sense; Kind::conflict: the answer takes too
  // long.
  virtual void list(audit::TrailRequest request, Actor actor, Done done) = 0;
  virtual void read(audit::TrailPart part, Uuid id, Actor actor, Done done) = 0;
};

}  // namespace ringfence::control
