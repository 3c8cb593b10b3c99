// Break-glass: a grant that somebody gives himself, in an emergency, for a while. The trail says so before it
// is in force.
#pragma once

#include <optional>
#include <string>

#include "change.h"

namespace ringfence::control {

class BreakGlass final : public Change {
 public:
  BreakGlass(Registry& registry, const Actor& actor);

  // `given` as model::break_glass_form() has it.
  Answer make(const model::Json& given, const std::string& idempotency_key);

 private:
  std::optional<Answer> complete_new(store::ControlRecord& record) override;
};

}  // namespace ringfence::control
