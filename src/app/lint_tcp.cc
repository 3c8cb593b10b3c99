// Advice about targets whose bytes pass unseen.
#include "lint_tcp.h"

#include <algorithm>
#include <string>

#include "ringfence/model/text_rules.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::app {

namespace {

// The same text for each way to name a place of this machine; of two names for one machine nothing is known.
std::string place(const std::string& host, uint16_t port, const std::string& socket) {
  if (host.starts_with('/')) return host + socket;
  if (host == "localhost" || model::is_loopback(host)) return "loopback:" + std::to_string(port);
  const std::string numeric = model::socket_name(host, port);
  return numeric.empty() ? host + ":" + std::to_string(port) : numeric;
}

std::vector<std::string> places_of(const model::TcpTarget& target) {
  std::vector<std::string> out;
  for (const std::string& host : target.hosts) out.push_back(place(host, target.port, ""));
  return out;
}

std::vector<std::string> places_of(const model::PgTarget& target) {
  std::vector<std::string> out;
  for (const std::string& host : target.hosts) {
    out.push_back(place(host, target.port, "/.s.PGSQL." + std::to_string(target.port)));
    // A server of this machine listens on both.
    if (host.starts_with('/')) out.push_back("loopback:" + std::to_string(target.port));
  }
  return out;
}

std::vector<std::string> places_of(const model::Listener& listener) {
  if (!listener.path.empty()) return {listener.path};
  const bool is_any = listener.address == "0.0.0.0" || listener.address == "::";
  return {place(is_any ? "localhost" : listener.address, listener.port, "")};
}

bool share(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](const std::string& one) { return std::find(b.begin(), b.end(), one) != b.end(); });
}

void lint_target(const Config& config, const model::TcpTarget& target,
                 const std::function<void(const std::string&)>& warn) {
  const std::vector<std::string> own = places_of(target);
  for (const model::PgTarget& other : config.targets) {
    if (share(own, places_of(other))) {
      warn(target.name + " leads to the server of target " + other.name +
           ": statements that go this way are neither decided nor recorded; remove it, or take its users "
           "away");
    }
  }
  for (const model::Listener& listener : config.listeners) {
    if (share(own, places_of(listener)))
      warn(target.name + " points at the listener " + listener.name + " of this appliance");
  }
  const bool has_listener =
      std::any_of(config.listeners.begin(), config.listeners.end(),
                  [&](const model::Listener& listener) { return listener.target == target.name; });
  if (!has_listener) warn(target.name + " has no listener: add one with protocol tcp and this target");
  bool is_reached = false;
  for (const model::User& user : config.users) {
    if (!config.policies) break;
    const policy::Access access = config.policies->access(user.roles, target.tags);
    is_reached = is_reached || access.is_unrestricted();
    if (!access.is_granted() || access.is_unrestricted()) continue;
    warn(target.name + " is closed to " + user.name +
         ", whose policies give less than level admin without rules: what passes a raw TCP target cannot be "
         "decided");
  }
  if (!is_reached && !config.users.empty())
    warn(target.name + " is reached by nobody: no policy gives level admin without rules on it");
}

}  // namespace

void lint_tcp(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  for (const model::TcpTarget& target : config.tcp_targets) {
    lint_target(config, target, [&](const std::string& what) { out.push_back({file, 0, "targets", what}); });
  }
  for (const model::Listener& listener : config.listeners) {
    for (const auto& [network, user] : listener.network_users) {
      const bool is_known = std::any_of(config.users.begin(), config.users.end(),
                                        [&](const model::User& one) { return one.name == user; });
      if (is_known) continue;
      out.push_back({file, 0, "listeners",
                     listener.name + ": network_users names " + user + ", who is no user: clients of " +
                         network + " are refused"});
    }
  }
}

}  // namespace ringfence::app
