// Decisions that refuse, by what stands outside a statement's facts.
#pragma once

#include <string>
#include <utility>

#include "ringfence/policy/decide.h"

namespace ringfence::policy {

inline Decision refused(std::string rule, std::string message, std::string hint) {
  Decision decision;
  decision.is_allowed = false;
  decision.rule = std::move(rule);
  decision.message = std::move(message);
  decision.hint = std::move(hint);
  return decision;
}

inline Decision no_access() {
  return refused("access", "you have no access to this target", "Ask for a policy that names it.");
}

inline Decision suspended(const Access& access) {
  return refused(access.grant ? access.grant->label() : "grants", access.suspended_because,
                 "Try again later.");
}

}  // namespace ringfence::policy
