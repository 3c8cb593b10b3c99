// The appliance as the admin API's directory of sessions: asks all shards, answers on the admin shard.
#include <algorithm>
#include <iterator>

#include "appliance.h"
#include "ringfence/proxy/core/fleet.h"

namespace ringfence::app {

using audit::EventBuilder;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using Sessions = std::vector<model::SessionInfo>;

template <typename Answer>
void Appliance::ask_shards(std::function<Answer(proxy::ShardCore&)> ask,
                           std::function<void(std::vector<Answer>)> done) {
  std::vector<ring::Shard*> shards;
  std::vector<proxy::ShardCore*> asked;
  for (DataShard& data : data_shards_) {
    shards.push_back(data.shard.get());
    asked.push_back(data.core.get());
  }
  proxy::ask_all<Answer>(
      shards, *admin_shard_, [asked, ask](size_t place) { return ask(*asked[place]); }, std::move(done));
}

void Appliance::list(std::function<void(Sessions)> done) {
  if (!shards_serve_) {
    done({});
    return;
  }
  ask_shards<Sessions>([](proxy::ShardCore& core) { return core.list(); },
                       [done](std::vector<Sessions> answers) {
                         Sessions all;
                         for (Sessions& some : answers) {
                           std::move(some.begin(), some.end(), std::back_inserter(all));
                         }
                         done(std::move(all));
                       });
}

void Appliance::end(Uuid id, std::string by, std::function<void(bool found)> done) {
  if (!shards_serve_) {
    done(false);
    return;
  }
  struct Answer {
    bool is_found = false;
  };
  ask_shards<Answer>(
      [id](proxy::ShardCore& core) {
        return Answer{core.end(
            id, {proxy::EndCause::administrator, "terminating connection due to administrator command",
                 "The session was ended through the appliance's admin API."})};
      },
      [this, id, by, done](const std::vector<Answer>& answers) {
        const bool found = std::any_of(answers.begin(), answers.end(), [](Answer a) { return a.is_found; });
        EventBuilder out =
            event("session_terminated", Severity::warning, found ? Outcome::success : Outcome::failure);
        out.text(Tag::user_name, by).text(Tag::entity_type, "session").text(Tag::entity_id, to_string(id));
        publish(admin_producer(), out);
        done(found);
      });
}

}  // namespace ringfence::app
