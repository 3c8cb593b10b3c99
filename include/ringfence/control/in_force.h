// What of the store's records holds now, as values that others decide by. Immutable; a change makes a new
// one, which shares with the one before all that has not changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/auth/api_key.h"
#include "ringfence/auth/scopes.h"
#include "ringfence/base/shared_map.h"
#include "ringfence/base/uuid.h"
#include "ringfence/model/grant.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/secret.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/policy/policy.h"

namespace ringfence::control {

// An API key as the password of a PostgreSQL login.
struct LoginKey {
  Uuid id;
  std::string prefix;
  model::Secret verifier;  // SCRAM, with the user's salt.
  auth::Scopes scopes;     // Empty: all that its user has.
  bool is_enabled = false;
  // Its scopes allow it (auth::connect_scope).
  bool may_connect = false;

  bool is_usable() const { return is_enabled && may_connect; }
};

// A user who may log in.
struct UserFacts {
  Uuid id;
  int64_t version = 0;
  std::string name;
  std::vector<std::string> roles;   // Names, with those of the roles' parents; the highest priority first.
  std::vector<std::string> groups;  // Ids.
  auth::Scopes scopes;              // What the roles permit in the API, and auth::connect_scope.
  model::Secret password_hash;      // Argon2id; empty: no password.
  model::Secret verifier;           // SCRAM; empty: no password.
  uint64_t password_set_us = 0;     // Unix time; 0: none is set.
  bool must_change_password = false;
  // Those that can be used first, each kind with the newest first; at most auth::login_keys_max.
  std::vector<LoginKey> login_keys;
  bool has_older_keys = false;  // Some have no verifier: they are from before keys were passwords.
};

// A target that is there for users.
struct TargetFacts {
  Uuid id;
  int64_t version = 0;
  bool is_tcp = false;
  std::vector<std::string> groups;  // Ids of the groups that it is a member of, in their order.
  model::PgTarget postgres;         // Of type postgres, with its password.
  model::TcpTarget tcp;             // Of type tcp.
};

struct InForce {
  int64_t revision = 0;
  SharedMap<UserFacts> users;         // By name.
  SharedMap<UserFacts> users_by_id;   // The same ones.
  SharedMap<auth::ApiKeyFacts> keys;  // By prefix.
  SharedMap<TargetFacts> targets;     // By name.
  // Of the store. Another list where one of them has changed; null: the store has none.
  std::shared_ptr<const std::vector<policy::Policy>> policies;
  SharedMap<model::Grant> grants;  // By id, those that are open now.
  // There were policies or grants of which nothing is known any more: nobody has access to any target.
  bool is_closed = false;
  // Names of those that are not as in the one before: changed, new, or gone.
  std::vector<std::string> changed_users;
  std::vector<std::string> changed_targets;
  std::vector<model::Grant> changed_grants;  // As they are now; those that have gone, as they were.

  // Null: there is none.
  const UserFacts* find_user(std::string_view name) const { return users.find(name); }
  const UserFacts* find_user(const Uuid& id) const { return users_by_id.find(to_string(id)); }
  const TargetFacts* find_target(std::string_view name) const { return targets.find(name); }
  const auth::ApiKeyFacts* find_key(std::string_view prefix) const { return keys.find(prefix); }
};
using InForcePtr = std::shared_ptr<const InForce>;

}  // namespace ringfence::control
