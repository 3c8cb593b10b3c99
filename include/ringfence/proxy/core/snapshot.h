// What sessions decide by: users, targets and limits, immutable. A new one replaces the old as a whole; a
// session keeps the one it began with until it looks again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringfence/model/limits.h"
#include "ringfence/model/listener.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/model/user.h"
#include "ringfence/net/tls.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/scram_shapes.h"
#include "ringfence/policy/policy_set.h"
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

// Values of the model with what belongs to running.
struct User : model::User {
  pg::ScramVerifier keys;  // What `verifier` says.
};

struct Listener : model::Listener {
  std::shared_ptr<const net::TlsContext> context;  // Null exactly when `tls` is off.
  ClientNetworks client_networks = {};             // What `networks` and `network_users` say.
};

struct Target : model::PgTarget {
  std::shared_ptr<const net::TlsContext> tls;  // Null: as with disable.
  // Connections that wait in the pools of all shards, or are being made to wait there, and those of them that
  // are being closed and may still be at the server; carried over as `sessions` is.
  std::shared_ptr<std::atomic<uint32_t>> warm = std::make_shared<std::atomic<uint32_t>>(0);
  std::shared_ptr<std::atomic<uint32_t>> leaving = std::make_shared<std::atomic<uint32_t>>(0);
  // Sessions that are open on all shards; carried over from one snapshot to the next.
  std::shared_ptr<std::atomic<uint32_t>> sessions = std::make_shared<std::atomic<uint32_t>>(0);
};

struct TcpTarget : model::TcpTarget {
  // Sessions that are open on all shards; carried over from one snapshot to the next.
  std::shared_ptr<std::atomic<uint32_t>> sessions = std::make_shared<std::atomic<uint32_t>>(0);
};

struct Limits : model::Limits, model::RecordLimits {};

struct Snapshot {
  uint64_t generation = 0;  // Grows with each reload.
  Limits limits;
  std::string mock_secret;       // Makes the verifiers of users who do not exist; the node's own.
  pg::ScramShapes scram_shapes;  // Of the users' verifiers.

  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  template <typename T>
  using ByName = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;
  std::shared_ptr<const policy::PolicySet> policies;
  ByName<User> users;
  ByName<Listener> listeners;
  std::shared_ptr<const net::TlsTicketKeys> ticket_keys;  // Null: no session is resumed.
  ByName<Target> targets;
  ByName<TcpTarget> tcp_targets;

  const User* find_user(std::string_view name) const {
    auto found = users.find(name);
    return found == users.end() ? nullptr : &found->second;
  }
  const Listener* find_listener(std::string_view name) const {
    auto found = listeners.find(name);
    return found == listeners.end() ? nullptr : &found->second;
  }
  const Target* find_target(std::string_view name) const {
    auto found = targets.find(name);
    return found == targets.end() ? nullptr : &found->second;
  }
  const TcpTarget* find_tcp_target(std::string_view name) const {
    auto found = tcp_targets.find(name);
    return found == tcp_targets.end() ? nullptr : &found->second;
  }
  // Of the target of this name, whatever its type; null: there is none.
  const std::vector<std::string>* find_tags(std::string_view name) const {
    if (const Target* target = find_target(name)) return &target->tags;
    const TcpTarget* target = find_tcp_target(name);
    return target != nullptr ? &target->tags : nullptr;
  }
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace ringfence::proxy
