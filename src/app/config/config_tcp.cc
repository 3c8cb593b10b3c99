// Targets whose bytes pass unseen, and what their listeners have beside those of PostgreSQL.
#include "config_sections.h"

namespace ringfence::app {

model::TcpTarget read_tcp_target(Section& section) {
  model::TcpTarget target;
  section.text("name", target.name);
  target.hosts = read_hosts(section);
  section.numbers(target);
  for (auto& tag : section.texts("tags", model::target_tags_max)) target.tags.push_back(std::move(tag.text));
  section.finish();
  return target;
}

void read_listener_networks(Section& section, model::Listener& listener) {
  for (auto& network : section.texts("networks", model::Listener::networks_max))
    listener.networks.push_back(std::move(network.text));
  for (Section& entry : section.list("network_users", model::Listener::networks_max)) {
    auto& [network, user] = listener.network_users.emplace_back();
    entry.text("network", network);
    entry.text("user", user);
    entry.finish();
  }
  section.text("target", listener.target);
}

}  // namespace ringfence::app
