#include "statement_limit.h"

#include "relay.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

void StatementLimit::watch(Relay& of) {
  const SessionParts& parts = of.parts();
  const Spending* spending = of.conversation().spending();
  if (spending == nullptr || spending->caps().ms == 0 || parts.ending.is_now() ||
      parts.lease.reset() != nullptr) {
    stop();
    return;
  }
  const uint64_t allowed_ns = spending->caps().ms * 1'000'000;
  const uint64_t now_ns = parts.now_ns();
  uint64_t due_ns = now_ns + allowed_ns;
  if (const auto running = of.conversation().queue().running()) {
    due_ns = running->since_ns + allowed_ns;
    if (now_ns >= due_ns) {
      of.parts().shard.core.counters.limits_reached.add();
      of.end({std::string(pg::sqlstate::configuration_limit_exceeded),
              "terminating connection: the statement runs longer than the " +
                  std::to_string(spending->caps().ms) + " ms that your grant allows for one",
              "Ask for a grant that allows more time."});
      return;
    }
  }
  if (!timer_) {
    timer_ = std::make_unique<ring::CallbackTimer>(of.parts().shard.core.shard.timers(),
                                                   [this, &of] { watch(of); });
  }
  timer_->arm(due_ns);
}

}  // namespace ringfence::proxy
