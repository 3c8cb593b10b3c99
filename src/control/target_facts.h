// A target's record as what others decide and connect by.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ringfence/control/authority.h"
#include "ringfence/control/in_force.h"
#include "ringfence/model/json.h"

namespace ringfence::control {

// Where a target's secret is kept, and whose it is.
struct SealedField {
  const std::string& target_id;
  std::string name;  // Of the hidden field: "sealed_password".
};

// Opens a sealed secret. Nothing: it cannot be opened.
using SecretOpener =
    std::function<std::optional<model::Secret>(const SealedField& field, const std::string& sealed)>;

// By the key ring that is in force then. `authority` outlives it. `failed` is told why one does not open; it
// may be empty.
SecretOpener opener_by(const Authority& authority,
                       std::function<void(const SealedField& field, const std::string& why)> failed = {});

// Whether it is enabled or not. Nothing: it has no id, or a secret does not open.
std::optional<TargetFacts> target_facts_of(const model::Json& record, const SecretOpener& opener);

}  // namespace ringfence::control
