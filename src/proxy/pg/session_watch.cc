#include "session_watch.h"

#include "relay.h"
#include "ringfence/pg/sqlstate.h"
#include "witness.h"

namespace ringfence::proxy {

namespace {

// Its server's connection shows texts of the session alone.
bool can_be_watched(const Relay& relay) {
  return relay.watched() != nullptr && relay.parts().lease.has_server() && !relay.is_over() &&
         relay.parts().lease.reset() == nullptr && !relay.conversation().is_broken();
}

void contradict(Relay& relay, std::string_view shown) {
  relay.parts().shard.core.counters.attribution_mismatches.add();
  relay.parts().recorder.publish(activity_mismatch(relay.parts().recorder, relay.watched()->texts.newest(),
                                                   shown, relay.parts().now_us()));
  if (relay.access().target()->attribution_witness != AttributionWitness::end) return;
  relay.end({std::string(pg::sqlstate::protocol_violation),
             "terminating connection: the server runs a statement that was not recorded for this session",
             "The trail's event attribution_mismatch has both sides; attribution_witness of the target's "
             "configuration says what follows from it."});
}

}  // namespace

void join_watch(Relay& relay, const std::string& target, const std::string& user,
                std::vector<WatchRound::Asked>& out) {
  if (!can_be_watched(relay)) return;
  const WatchedSession& watched = *relay.watched();
  if (watched.sent == watched.compared) return;
  if (relay.access().target()->name != target ||
      relay.access().target()->user_for(relay.access().login_level()) != user)
    return;
  WatchRound::Asked asked;
  asked.session = relay.parts().id;
  asked.process_id = relay.parts().lease.server().process_id;
  asked.place = relay.parts().lease.server().place;
  asked.mark = watched.texts.mark();
  asked.sent = relay.conversation().queue().is_idle() ? watched.sent : 0;
  out.push_back(std::move(asked));
}

void compare_watch(Relay& relay, const WatchRound::Asked& asked) {
  if (!can_be_watched(relay)) return;
  WatchedSession& watched = *relay.watched();
  auto verdict = ShownTexts::Verdict::unknown;
  if (asked.is_answered && asked.shown)
    verdict = watched.texts.compare(*asked.shown, asked.is_cut, asked.mark);
  if (verdict == ShownTexts::Verdict::unknown) {
    relay.parts().shard.core.counters.watch_unknown.add();
    return;
  }
  if (asked.sent != 0) watched.compared = asked.sent;
  if (verdict == ShownTexts::Verdict::fits) {
    relay.parts().shard.core.counters.watch_compared.add();
    return;
  }
  // One that is told of is not told of again before something else is sent.
  if (std::exchange(watched.told, watched.sent) != watched.sent) contradict(relay, *asked.shown);
}

}  // namespace ringfence::proxy
