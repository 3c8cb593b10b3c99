#include "idle_limit.h"

#include <algorithm>

#include "relay.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

namespace {

EndReason idle_for(uint64_t ms, bool in_transaction) {
  const std::string time = std::to_string(ms) + " ms";
  if (in_transaction) {
    return {std::string(pg::sqlstate::idle_in_transaction_timeout),
            "terminating connection: idle in a transaction for " + time,
            "The bound is limits.idle_in_transaction_ms."};
  }
  return {std::string(pg::sqlstate::idle_session_timeout), "terminating connection: idle for " + time,
          "The bound is limits.idle_ms."};
}

}  // namespace

void IdleLimit::watch(Relay& of) {
  const SessionParts& parts = of.parts();
  if (parts.ending.is_now() || parts.lease.reset() != nullptr) return;
  const Limits& limits = parts.limits();
  const pg::ResponseQueue& queue = of.conversation().queue();
  const uint64_t now_ns = parts.now_ns();
  if (of.work().is_parked()) note_waiting(now_ns);  // A hold has its own deadline.
  const bool in_transaction = queue.transaction() != pg::TransactionStatus::idle;
  const uint64_t allowed_ms = in_transaction ? limits.idle_in_transaction_ms : limits.idle_ms;
  const uint64_t shortest_ms =
      std::min(limits.idle_ms ? limits.idle_ms : ~uint64_t{0},
               limits.idle_in_transaction_ms ? limits.idle_in_transaction_ms : ~uint64_t{0});
  if (shortest_ms == ~uint64_t{0}) return;
  const uint64_t due_ns = active_ns_ + (allowed_ms > 0 ? allowed_ms : shortest_ms) * 1'000'000;
  if (allowed_ms > 0 && queue.is_idle() && now_ns >= due_ns) {
    of.parts().shard.core.counters.limits_reached.add();
    of.end(idle_for(allowed_ms, in_transaction));
    return;
  }
  if (!timer_)
    timer_ = std::make_unique<ring::CallbackTimer>(of.parts().shard.core.shard.timers(),
                                                   [this, &of] { watch(of); });
  timer_->arm(std::max(due_ns, now_ns + shortest_ms * 1'000'000 / 4 + 1'000'000));
}

}  // namespace ringfence::proxy
