// Who may do what on a target's server, by the server's own catalogs. Only read.
#pragma once

#include "ringfence/control/answer.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/privilege_question.h"

namespace ringfence::app {

// Blocks for ten seconds at most, and a resolver's time. At most 1,000 privileges are told.
control::Answer privileges_on(const control::TargetFacts& target, const control::PrivilegeQuestion& question);

}  // namespace ringfence::app
