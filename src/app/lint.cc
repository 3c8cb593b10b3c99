#include "ringfence/app/lint.h"

#include <algorithm>

#include "credential_check.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::app {

using model::is_loopback;

namespace {

void lint_exposure(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  if (!is_loopback(config.admin.address) && !config.admin.tls) {
    out.push_back({file, 0, "admin.tls",
                   "is off and the address reachable from other machines, so the token crosses the network "
                   "in the clear; "
                   "remove the key or use a loopback address"});
  }
  if (!is_loopback(config.admin.address) && config.admin.tls && config.admin.tls_files.certificate.empty()) {
    out.push_back({file, 0, "tls",
                   "has no certificate_file, so the admin API shows the development certificate, which "
                   "nobody can check; give one"});
  }
  for (const auto& listener : config.listeners) {
    if (!listener.path.empty() || is_loopback(listener.address)) continue;
    if (listener.tls == model::ListenerTls::off) {
      out.push_back({file, 0, "listeners",
                     listener.name + " is reachable from other machines without TLS; statements and "
                                     "rows cross the network in the clear"});
      continue;
    }
    if (listener.tls == model::ListenerTls::prefer) {
      out.push_back({file, 0, "listeners",
                     listener.name + " is reachable from other machines and takes clients without "
                                     "TLS too; use tls: require"});
    }
    if (listener.tls_files.certificate.empty()) {
      out.push_back({file, 0, "listeners",
                     listener.name + " has no certificate, so it shows the development certificate, "
                                     "which nobody can check; give tls.certificate_file"});
    }
  }
}

void lint_people_and_targets(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  if (config.users.empty()) out.push_back({file, 0, "users", "is empty, so nobody can log in; add a user"});
  if (config.targets.empty())
    out.push_back({file, 0, "targets", "is empty, so there is nothing to connect to; add a target"});
  for (const auto& target : config.targets) {
    for (const auto& host : target.hosts) {
      bool is_far = !host.starts_with('/') && host != "localhost" && !is_loopback(host);
      if (!is_far || target.sslmode >= model::SslMode::verify_ca) continue;
      out.push_back({file, 0, "targets",
                     target.name +
                         " is reached over the network and its certificate is not checked (sslmode); use "
                         "verify-full and sslrootcert"});
      break;
    }
    for (const auto& listener : config.listeners) {
      bool is_self = target.port == listener.port && listener.path.empty();
      for (const auto& host : target.hosts) {
        if (!is_self || host != listener.address) continue;
        out.push_back({file, 0, "targets",
                       target.name + " points at the listener " + listener.name +
                           " of this appliance; each connection would open another one"});
      }
    }
  }
}

// Names that nothing in the configuration bears, so that nobody is meant.
void lint_reach(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  const auto warn = [&](const std::string& where, const std::string& what) {
    out.push_back({file, 0, "policies", where + ": " + what});
  };
  for (const policy::Policy& policy : config.policies->policies()) {
    for (const policy::Text& role : policy.roles) {
      const bool is_had =
          role.text == "*" ||
          std::any_of(config.users.begin(), config.users.end(), [&](const model::User& user) {
            return std::find(user.roles.begin(), user.roles.end(), role.text) != user.roles.end();
          });
      if (!is_had && !config.users.empty())
        warn(role.where, "no user has the role " + role.text + " of policy " + policy.name);
    }
    for (const policy::Text& tag : policy.tags) {
      const bool is_had =
          tag.text == "*" ||
          std::any_of(config.targets.begin(), config.targets.end(), [&](const model::PgTarget& one) {
            return std::find(one.tags.begin(), one.tags.end(), tag.text) != one.tags.end();
          });
      if (!is_had && !config.targets.empty())
        warn(tag.where, "no target has the tag " + tag.text + " of policy " + policy.name);
    }
    const auto is_matched = [&](const model::PgTarget& target) {
      if (policy.roles.empty()) return true;
      const auto access = config.policies->access({policy.roles[0].text}, target.tags);
      return std::find(access.policies.begin(), access.policies.end(), &policy) != access.policies.end();
    };
    if (!config.targets.empty() && std::none_of(config.targets.begin(), config.targets.end(), is_matched)) {
      warn(policy.where, "policy " + policy.name + " matches no target" +
                             (policy.tags.empty() ? ": without tags it matches targets without tags alone"
                                                  : " by its tags"));
    }
  }
  for (const model::User& user : config.users) {
    for (const std::string& role : user.roles) {
      const auto& all = config.policies->policies();
      const bool is_named = std::any_of(all.begin(), all.end(), [&](const policy::Policy& policy) {
        return std::any_of(policy.roles.begin(), policy.roles.end(),
                           [&](const auto& one) { return one.text == role; });
      });
      if (!is_named)
        out.push_back({file, 0, "users", user.name + " has the role " + role + ", which no policy names"});
    }
  }
}

void lint_policies(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  if (!config.policies || config.policies->policies().empty()) {
    out.push_back({file, 0, "policies", "is empty, so nobody has access to any target; add a policy"});
    return;
  }
  for (auto& problem : config.policies->lint())
    out.push_back({file, 0, "policies", problem.where + ": " + problem.message});
  for (const auto& user : config.users) {
    bool has_access = false;
    for (const auto& target : config.targets) {
      has_access = has_access || config.policies->access(user.roles, target.tags).is_granted();
    }
    if (!has_access && !config.targets.empty()) {
      out.push_back(
          {file, 0, "users", user.name + " has no access to any target: no policy matches a role of theirs"});
    }
  }
  lint_reach(config, file, out);
}

// What the configuration alone tells of credentials; `ringfence check --connect` asks the servers.
void lint_credentials(const Config& config, const std::string& file, std::vector<ConfigError>& out) {
  using policy::Level;
  for (const auto& target : config.targets) {
    std::vector<Level> given;
    for (const CredentialUse& use : credential_uses(config, target)) {
      given.insert(given.end(), use.levels.begin(), use.levels.end());
      if (use.levels.size() < 2 || use.levels.front() != Level::read) continue;
      const std::vector<Level> others(use.levels.begin() + 1, use.levels.end());
      out.push_back({file, 0, "targets",
                     target.name + ": sessions of level read are logged in to the server as " + use.user +
                         ", as those of level " + level_names(others) +
                         " are; give credentials.read a user that may only read"});
    }
    for (const auto& [level, credential] : target.credentials) {
      if (std::find(given.begin(), given.end(), level) != given.end()) continue;
      out.push_back({file, 0, "targets",
                     target.name + ": credentials." + sql::level_name(level) +
                         " is never used: no policy gives that level there"});
    }
    if (target.allow_superuser_read) {
      out.push_back({file, 0, "targets",
                     target.name + ": allow_superuser_read is set, so level read may stand before a "
                                   "superuser of the server, who has no second wall; use credentials.read"});
    }
  }
}

}  // namespace

std::vector<ConfigError> lint(const Config& config, const std::string& file) {
  std::vector<ConfigError> out;
  lint_exposure(config, file, out);
  lint_people_and_targets(config, file, out);
  lint_policies(config, file, out);
  lint_credentials(config, file, out);
  if (!config.audit.enabled) {
    out.push_back({file, 0, "audit.enabled", "is false: nothing is written down; set it to true"});
  } else if (config.audit.on_full == OnFull::drop) {
    out.push_back({file, 0, "audit.on_full",
                   "is drop: statements may run without a record when the store is away for long"});
  }
  if (config.limits.idle_in_transaction_ms == 0) return out;
  if (config.limits.idle_ms != 0 && config.limits.idle_in_transaction_ms > config.limits.idle_ms) {
    out.push_back(
        {file, 0, "limits.idle_in_transaction_ms", "is longer than idle_ms and never takes effect"});
  }
  return out;
}

}  // namespace ringfence::app
