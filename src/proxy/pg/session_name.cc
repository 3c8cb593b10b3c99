#include "session_name.h"

#include "relay.h"
#include "ringfence/base/log.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

void SessionName::start(std::string_view name, OwnAnswer::Kind kind) {
  ServerLease& lease = relay_.parts().lease;
  const auto fail = [&relay = relay_](std::string_view reason) { SessionName(relay).fail(reason); };
  lease.naming().start({relay_.parts().shard.core.shard, lease.server(), relay_.watched(), fail}, name, kind);
}

void SessionName::give_back() {
  SessionParts& parts = relay_.parts();
  Conversation& conversation = relay_.conversation();
  if (!conversation.server().has_lost_name() || parts.lease.reset() != nullptr || parts.ending.is_now() ||
      conversation.client().said_goodbye())
    return;
  if (parts.lease.naming().is_under_way()) return;
  if (!conversation.is_at_rest()) return;
  conversation.server().note_named();
  start(parts.recorder.name_at_server(), OwnAnswer::Kind::to_naming_again);
}

void SessionName::fail(std::string_view reason) {
  const SessionAccess& access = relay_.access();
  relay_.parts().shard.core.counters.pool_failures.add();
  log_warning("a session ends, for its server connection could not be named",
              {{"target", access.target()->name},
               {"user", std::string(access.user())},
               {"reason", std::string(reason)}});
  relay_.end({std::string(pg::sqlstate::connection_failure),
              "the server of database \"" + std::string(access.database()) +
                  "\" did not take over the session: " + std::string(reason),
              "Statements without an answer may or may not have run. Connect again."});
}

}  // namespace ringfence::proxy
