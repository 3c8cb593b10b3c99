// The open sessions of the whole appliance, as an administrator has them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ringfence/base/uuid.h"
#include "ringfence/model/session_info.h"

namespace ringfence::control {

class SessionDirectory {
 public:
  virtual ~SessionDirectory() = default;
  // Called on the home shard's thread, the administrator's. `done` is called at most once, on the same
  // thread, perhaps before this returns. It may come too late and may be destroyed uncalled, on any thread.
  virtual void list(std::function<void(std::vector<model::SessionInfo>)> done) = 0;
  // `by` says who asked, for the trail.
  virtual void end(Uuid id, std::string by, std::function<void(bool found)> done) = 0;
};

}  // namespace ringfence::control
