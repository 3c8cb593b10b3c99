// The configuration as the API has it.
#pragma once

#include <functional>

#include "ringfence/control/answer.h"
#include "ringfence/control/config_history.h"

namespace ringfence::control {

class ConfigDirectory {
 public:
  using Done = std::function<void(Answer)>;
  virtual ~ConfigDirectory() = default;

  virtual const ConfigHistory& history() const = 0;
  // Puts an earlier version in force, until the next reload or start: the file stays as it is. `done` is
  // called on the home shard's thread, at most once, perhaps late. Kind::conflict says why not.
  virtual void roll_back(int64_t number, Actor actor, Done done) = 0;
};

}  // namespace ringfence::control
