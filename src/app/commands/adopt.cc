#include <unistd.h>

#include <cstdio>

#include "commands.h"
#include "ringfence/app/config/config.h"
#include "ringfence/audit/trail.h"

namespace ringfence::app {

int adopt(const std::string& config_path, const std::string& accepted_code) {
  ConfigResult loaded = load_config(config_path, current_environment());
  for (const ConfigError& error : loaded.errors)
    std::fprintf(stderr, "error: %s\n", to_string(error).c_str());
  if (!loaded.config) return 1;
  const Config& config = *loaded.config;
  if (!accepted_code.empty()) {
    auto accepted = audit::accept_store(config.state_dir, accepted_code);
    if (!accepted) {
      std::fprintf(stderr, "error: %s\n", accepted.error().message.c_str());
      return 1;
    }
    std::printf("the next start goes on with the store if it is still as %s says, and the trail will tell\n",
                accepted_code.c_str());
    return 0;
  }
  if (config.store.embedded) {
    std::fputs("nothing to do: the embedded store belongs to this state directory\n", stdout);
    return 0;
  }
  auto id = audit::read_state_id(config.state_dir);
  if (!id) {
    std::fprintf(stderr, "error: %s: start the appliance once\n", id.error().message.c_str());
    return 1;
  }
  std::string node = audit::node_name(config.node);
  auto done = audit::adopt_node(std::string(config.store.url.reveal()), node, config.state_dir);
  if (!done) {
    std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
    return 1;
  }
  std::printf("node %s continues in %s\n", node.c_str(), config.state_dir.c_str());
  return 0;
}

}  // namespace ringfence::app
