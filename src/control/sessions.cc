#include "ringfence/control/sessions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ringfence/proxy/core/fleet.h"

namespace ringfence::control {

using audit::Outcome;
using audit::Severity;
using audit::Tag;
using Infos = std::vector<model::SessionInfo>;

void Sessions::serve(std::vector<proxy::ShardCore*> cores) {
  cores_ = std::move(cores);
  serves_ = true;
}

template <typename Answer>
void Sessions::ask(std::function<Answer(proxy::ShardCore&)> question,
                   std::function<void(std::vector<Answer>)> done) {
  std::vector<ring::Shard*> shards;
  shards.reserve(cores_.size());
  for (proxy::ShardCore* core : cores_) shards.push_back(&core->shard);
  proxy::ask_all<Answer>(
      shards, home_, [cores = cores_, question](size_t place) { return question(*cores[place]); },
      std::move(done));
}

void Sessions::list(std::function<void(Infos)> done) {
  if (!serves_) {
    done({});
    return;
  }
  ask<Infos>([](proxy::ShardCore& core) { return core.list(); },
             [done](std::vector<Infos> answers) {
               Infos all;
               for (Infos& some : answers) std::move(some.begin(), some.end(), std::back_inserter(all));
               done(std::move(all));
             });
}

void Sessions::end(Uuid id, std::string by, std::function<void(bool found)> done) {
  if (!serves_) {
    done(false);
    return;
  }
  struct Ended {
    bool is_found = false;
  };
  ask<Ended>(
      [id](proxy::ShardCore& core) {
        return Ended{core.end(
            id, {proxy::EndCause::administrator, "terminating connection due to administrator command",
                 "The session was ended through the appliance's admin API."})};
      },
      [this, id, by, done](const std::vector<Ended>& answers) {
        const bool found = std::any_of(answers.begin(), answers.end(), [](Ended a) { return a.is_found; });
        audit::EventBuilder event =
            new_event("session_terminated", Severity::warning, found ? Outcome::success : Outcome::failure);
        event.text(Tag::user_name, by).text(Tag::entity_type, "session").text(Tag::entity_id, to_string(id));
        events_.publish(event);
        done(found);
      });
}

}  // namespace ringfence::control
