// The appliance as the admin API's directory of sessions: asks all shards, answers on the admin shard.
#include "appliance.h"

namespace ringfence::app {

using audit::EventBuilder;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

void Appliance::list(std::function<void(std::vector<admin::SessionView>)> done) {
  if (!shards_serve_) {
    done({});
    return;
  }
  struct Gathering {
    std::vector<admin::SessionView> views;
    size_t missing = 0;
    std::function<void(std::vector<admin::SessionView>)> done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  gathering->missing = data_shards_.size();
  for (DataShard& data : data_shards_) {
    proxy::PgShard* pg = data.pg.get();
    ring::Shard* home = admin_shard_.get();
    data.shard->post([pg, home, gathering] {
      home->post([gathering, infos = pg->list()] {
        for (const proxy::SessionInfo& info : infos) {
          admin::SessionView view;
          view.id = info.id;
          view.user = info.user;
          view.target = info.target;
          view.database = info.database;
          view.client_addr = info.client_addr;
          view.application_name = info.application_name;
          view.shard = info.shard;
          view.state = info.state;
          view.connected_at_us = info.connected_at_us;
          view.last_activity_us = info.last_activity_us;
          view.running_since_us = info.running_since_us;
          view.tls = info.tls;
          view.statements = info.statements;
          view.bytes_to_client = info.bytes_to_client;
          view.bytes_to_server = info.bytes_to_server;
          gathering->views.push_back(std::move(view));
        }
        if (--gathering->missing == 0) gathering->done(std::move(gathering->views));
      });
    });
  }
}

void Appliance::end(Uuid id, std::string by, std::function<void(bool found)> done) {
  if (!shards_serve_) {
    done(false);
    return;
  }
  struct Search {
    bool found = false;
    size_t missing = 0;
    std::function<void(bool)> done;
  };
  auto search = std::make_shared<Search>();
  search->missing = data_shards_.size();
  search->done = [this, id, by, done](bool found) {
    EventBuilder out =
        event("session_terminated", Severity::warning, found ? Outcome::success : Outcome::failure);
    out.text(Tag::user_name, by).text(Tag::entity_type, "session").text(Tag::entity_id, to_string(id));
    publish(admin_producer(), out);
    done(found);
  };
  for (DataShard& data : data_shards_) {
    proxy::PgShard* pg = data.pg.get();
    ring::Shard* home = admin_shard_.get();
    data.shard->post([pg, home, search, id] {
      bool found = pg->end(id, {"57P01", "terminating connection due to administrator command",
                                "The session was ended through the appliance's admin API."});
      home->post([search, found] {
        search->found = search->found || found;
        if (--search->missing == 0) search->done(search->found);
      });
    });
  }
}

}  // namespace ringfence::app
