// What a target's server says to a try: where it fails, and what to do about it.
#pragma once

#include "ringfence/control/answer.h"
#include "ringfence/control/in_force.h"
#include "ringfence/proxy/pg/login_trial.h"

namespace ringfence::app {

inline constexpr uint64_t target_test_ms = 10'000;

// Tries each credential of the target. The body is {ok, stage, message, hint, server_version, tls,
// latency_ms, hosts}; no secret is in it. Blocks for `target_test_ms` at most, and a resolver's time.
control::Answer test_target(const control::TargetFacts& target);

// By the same way, and within the same time: asks the server of a target of type postgres as `credential`.
// The report's `reason` says what is wrong.
proxy::TrialReport ask_target(const model::PgTarget& target, const model::Credential& credential,
                              proxy::TrialQuestion question);
std::string hint_of(proxy::OpeningStage stage);

}  // namespace ringfence::app
