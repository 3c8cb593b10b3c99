// What the model finds wrong with what was read.
#include <algorithm>

#include "config_sections.h"
#include "ringfence/model/collections.h"

namespace ringfence::app {

void check_model(const Config& config, const std::vector<AwaitedVerifier>& awaited, Places& places) {
  model::Defects found;
  model::add_defects(found, "limits", model::defects(config.limits));
  model::add_defects(found, "access", model::defects(config.access));
  model::add_defects(found, "audit", model::defects(config.audit));
  places.tell(found);
  places.tell(model::defects(config.listeners));
  places.tell(model::defects(config.targets));
  places.tell(model::defects(config.tcp_targets));
  places.tell(model::defects_between(config.targets, config.tcp_targets, config.listeners));
  model::Defects of_users = model::defects(config.users);
  for (const AwaitedVerifier& one : awaited) {
    std::erase_if(of_users, [path = model::path_of("users", one.user) + ".password"](const auto& defect) {
      return defect.path == path;
    });
  }
  places.tell(of_users);
  std::vector<model::ListeningPlace> listening = model::places(config.listeners);
  listening.push_back({config.admin.address, config.admin.port, "admin.port"});
  places.tell(model::taken_twice(listening));
}

}  // namespace ringfence::app
