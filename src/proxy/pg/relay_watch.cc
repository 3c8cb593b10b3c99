// A session's part in the watch of its target (watch.h).
#include "relay.h"
#include "ringfence/pg/sqlstate.h"
#include "witness.h"

namespace ringfence::proxy {

// Its server's connection shows texts of the session alone.
bool Relay::can_be_watched() const {
  return watched_ && parts().lease.has_server() && !is_over() && parts().lease.reset() == nullptr &&
         !conversation_.is_broken();
}

void Relay::join_watch(const std::string& target, const std::string& user,
                       std::vector<WatchRound::Asked>& out) const {
  if (!can_be_watched() || watched_->sent == watched_->compared) return;
  if (access_.target()->name != target || access_.target()->user_for(access_.login_level()) != user) return;
  WatchRound::Asked asked;
  asked.session = parts().id;
  asked.process_id = parts().lease.server().process_id;
  asked.place = parts().lease.server().place;
  asked.mark = watched_->texts.mark();
  asked.sent = conversation_.queue().is_idle() ? watched_->sent : 0;
  out.push_back(std::move(asked));
}

void Relay::compare_watch(const WatchRound::Asked& asked) {
  if (!can_be_watched()) return;
  auto verdict = ShownTexts::Verdict::unknown;
  if (asked.is_answered && asked.shown)
    verdict = watched_->texts.compare(*asked.shown, asked.is_cut, asked.mark);
  if (verdict == ShownTexts::Verdict::unknown) {
    core().counters.watch_unknown.add();
    return;
  }
  if (asked.sent != 0) watched_->compared = asked.sent;
  if (verdict == ShownTexts::Verdict::fits) {
    core().counters.watch_compared.add();
    return;
  }
  // One that is told of is not told of again before something else is sent.
  if (std::exchange(watched_->told, watched_->sent) != watched_->sent) contradicted_by_watch(*asked.shown);
}

void Relay::contradicted_by_watch(std::string_view shown) {
  core().counters.attribution_mismatches.add();
  parts().recorder.publish(
      activity_mismatch(parts().recorder, watched_->texts.newest(), shown, parts().now_us()));
  if (access_.target()->attribution_witness != AttributionWitness::end) return;
  end({std::string(pg::sqlstate::protocol_violation),
       "terminating connection: the server runs a statement that was not recorded for this session",
       "The trail's event attribution_mismatch has both sides; attribution_witness of the target's "
       "configuration says what follows from it."});
}

}  // namespace ringfence::proxy
