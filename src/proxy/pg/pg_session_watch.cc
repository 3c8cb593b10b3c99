// A session's part in the watch of its target (watch.h).
#include "pg_session.h"
#include "ringfence/pg/sqlstate.h"
#include "witness.h"

namespace ringfence::proxy {

// Its server's connection shows texts of the session alone.
bool PgSession::can_be_watched() const {
  return watched_ && conversation_ && lease_.has_server() && !end_reason_ && !reset_ &&
         !server_pump_is_over_ && !conversation_->is_broken();
}

void PgSession::join_watch(const std::string& target, const std::string& user,
                           std::vector<WatchRound::Asked>& out) const {
  if (!can_be_watched() || watched_->sent == watched_->compared) return;
  if (access_.target()->name != target || access_.target()->user_for(access_.login_level()) != user) return;
  WatchRound::Asked asked;
  asked.session = id_;
  asked.process_id = lease_.server().process_id;
  asked.place = lease_.server().place;
  asked.mark = watched_->texts.mark();
  asked.sent = conversation_->queue().is_idle() ? watched_->sent : 0;
  out.push_back(std::move(asked));
}

void PgSession::compare_watch(const WatchRound::Asked& asked) {
  if (!can_be_watched()) return;
  auto verdict = ShownTexts::Verdict::unknown;
  if (asked.is_answered && asked.shown)
    verdict = watched_->texts.compare(*asked.shown, asked.is_cut, asked.mark);
  if (verdict == ShownTexts::Verdict::unknown) {
    shard_.core.counters.watch_unknown.add();
    return;
  }
  if (asked.sent != 0) watched_->compared = asked.sent;
  if (verdict == ShownTexts::Verdict::fits) {
    shard_.core.counters.watch_compared.add();
    return;
  }
  // One that is told of is not told of again before something else is sent.
  if (std::exchange(watched_->told, watched_->sent) != watched_->sent) contradicted_by_watch(*asked.shown);
}

void PgSession::contradicted_by_watch(std::string_view shown) {
  shard_.core.counters.attribution_mismatches.add();
  recorder_.publish(
      activity_mismatch(recorder_, watched_->texts.newest(), shown, shard_.core.shard.now_us()));
  if (access_.target()->attribution_witness != AttributionWitness::end) return;
  end({std::string(pg::sqlstate::protocol_violation),
       "terminating connection: the server runs a statement that was not recorded for this session",
       "The trail's event attribution_mismatch has both sides; attribution_witness of the target's "
       "configuration says what "
       "follows from it."});
}

}  // namespace ringfence::proxy
