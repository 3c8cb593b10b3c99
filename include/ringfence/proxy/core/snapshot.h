// What sessions decide by: users, targets and limits, immutable. A new one replaces the old as a whole; a
// session keeps the one it began with until it looks again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/auth/scopes.h"
#include "ringfence/base/shared_map.h"
#include "ringfence/base/uuid.h"
#include "ringfence/model/grant.h"
#include "ringfence/model/limits.h"
#include "ringfence/model/listener.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/model/user.h"
#include "ringfence/net/tls.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/scram_shapes.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/budget_account.h"
#include "ringfence/proxy/core/client_networks.h"

namespace ringfence::proxy {

using model::AttributionWitness;
using model::CertificateLogin;
using model::CertificateName;
using model::ChannelBinding;
using model::Credential;
using model::ListenerTls;
using model::NameForm;
using model::PoolRule;
using model::printable_ascii;
using model::SslMode;

// An API key as the password of a login.
struct LoginKey {
  Uuid id;
  std::string prefix;
  pg::ScramSecret secret;
  auth::Scopes scopes;  // Empty: all that its user has.
  bool is_enabled = false;
  bool may_connect = false;  // Its scopes allow it.
};

// Values of the model with what belongs to running.
struct User : model::User {
  pg::ScramVerifier keys;    // What `verifier` says.
  bool has_password = true;  // Otherwise no password is right.
  // Of users that the store has; of others nil, empty, 0 and false.
  Uuid id = {};
  Uuid declared_id = {};                 // Of a user of the configuration: by which grants name him.
  std::vector<std::string> groups = {};  // Ids.
  uint64_t password_set_us = 0;          // Unix time. A session of an earlier password ends.
  bool must_change_password = false;
  auth::Scopes scopes = {};  // What the roles permit in the API and on the console.
  // API keys that are passwords here, the most recent at most (auth::login_keys_max); all have the salt
  // that the challenge shows.
  std::vector<LoginKey> login_keys = {};
  bool has_unfit_keys = false;  // Others have no verifier, or one with another salt.

  const Uuid& grant_id() const { return id.is_nil() ? declared_id : id; }
  // `keys` shows what a challenge shows.
  bool has_secret() const { return has_password || !login_keys.empty(); }
  // Null: it does not count, or not any more.
  const LoginKey* find_key(const Uuid& key) const {
    for (const LoginKey& each : login_keys) {
      if (each.id == key) return &each;
    }
    return nullptr;
  }
};

struct Listener : model::Listener {
  std::shared_ptr<const net::TlsContext> context;  // Null exactly when `tls` is off.
  ClientNetworks client_networks = {};             // What `networks` and `network_users` say.
};

struct Target : model::PgTarget {
  Uuid id = {};  // Of a target that the store has; of others nil.
  int64_t version = 0;
  std::vector<std::string> groups = {};        // Ids of the store's groups of targets, in their order.
  std::shared_ptr<const net::TlsContext> tls;  // Null: as with disable.
  // Connections that wait in the pools of all shards, or are being made to wait there, and those of them that
  // are being closed and may still be at the server; carried over as `sessions` is.
  std::shared_ptr<std::atomic<uint32_t>> warm = std::make_shared<std::atomic<uint32_t>>(0);
  std::shared_ptr<std::atomic<uint32_t>> leaving = std::make_shared<std::atomic<uint32_t>>(0);
  // Sessions that are open on all shards; carried over from one snapshot to the next.
  std::shared_ptr<std::atomic<uint32_t>> sessions = std::make_shared<std::atomic<uint32_t>>(0);
  Uuid declared_id = {};  // Of a target of the configuration: by which grants name it.

  const Uuid& grant_id() const { return id.is_nil() ? declared_id : id; }
};

struct TcpTarget : model::TcpTarget {
  Uuid id = {};                          // Of a target that the store has; of others nil.
  std::vector<std::string> groups = {};  // As of a Target.
  // Sessions that are open on all shards; carried over from one snapshot to the next.
  std::shared_ptr<std::atomic<uint32_t>> sessions = std::make_shared<std::atomic<uint32_t>>(0);
  Uuid declared_id = {};  // As of a Target.

  const Uuid& grant_id() const { return id.is_nil() ? declared_id : id; }
};

// How long access by grants holds without news of the store.
struct GrantTerm {
  // When the store was heard of last (mono_ns), as it is at this moment; 0: never. Null: there is no store.
  std::shared_ptr<const std::atomic<uint64_t>> heard_ns;
  uint64_t max_ns = 0;  // 0: without an end.

  bool is_over(uint64_t now_ns) const {
    if (!heard_ns || max_ns == 0) return false;
    const uint64_t heard = heard_ns->load(std::memory_order_relaxed);
    return heard != 0 && now_ns > heard && now_ns - heard > max_ns;
  }
};

using GrantList = std::vector<std::shared_ptr<const model::Grant>>;

struct Limits : model::Limits, model::RecordLimits {};

struct Snapshot {
  // Grows with each reload. What changes in the store alone leaves it.
  uint64_t generation = 0;
  Limits limits;
  std::string mock_secret;       // Makes the verifiers of users who do not exist; the node's own.
  pg::ScramShapes scram_shapes;  // Of the users' verifiers.

  std::shared_ptr<const policy::PolicySet> policies;
  SharedMap<GrantList> grants;  // Of the store, by whom and what they are about (find_access.h).
  // Of those of them that have a budget, by their ids.
  SharedMap<std::shared_ptr<BudgetAccount>> budgets;
  // access.stale_max. Each shard looks before it decides (ShardCore::renew).
  GrantTerm grant_term;
  bool are_grants_stale = false;  // The term is over.
  bool is_closed = false;         // Nobody has access: policies or grants of the store cannot be read.
  SharedMap<User> users;
  SharedMap<Listener> listeners;
  std::shared_ptr<const net::TlsTicketKeys> ticket_keys;  // Null: no session is resumed.
  SharedMap<Target> targets;
  SharedMap<TcpTarget> tcp_targets;

  const User* find_user(std::string_view name) const { return users.find(name); }
  const Listener* find_listener(std::string_view name) const { return listeners.find(name); }
  const Target* find_target(std::string_view name) const { return targets.find(name); }
  const TcpTarget* find_tcp_target(std::string_view name) const { return tcp_targets.find(name); }
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace ringfence::proxy
