// What sessions decide by: users, targets and limits, immutable. A new one replaces the old as a whole; a
// session keeps the one it began with until it looks again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringfence/net/tls.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/scram_shapes.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/name_form.h"
#include "ringfence/proxy/core/volume.h"

namespace ringfence::proxy {

struct User {
  std::string name;
  pg::ScramVerifier verifier;
  std::vector<std::string> roles;
};

// What a listener asks of its clients' transport. `verify` is `require` with a client certificate.
enum class ListenerTls : uint8_t { off, prefer, require, verify };
// What of a client's certificate names the user.
enum class CertificateName : uint8_t { cn, dn, dns, email, uri };
// What logs a client in that has shown a certificate.
enum class CertificateLogin : uint8_t {
  password,                  // The password alone; the certificate need only be valid.
  certificate_and_password,  // Both, and the certificate names the user.
  certificate,               // The certificate names the user: no password.
};

struct Listener {
  ListenerTls tls = ListenerTls::off;
  std::shared_ptr<const net::TlsContext> context;  // Null exactly when off.
  CertificateName certificate_name = CertificateName::cn;
  CertificateLogin certificate_login = CertificateLogin::certificate_and_password;
  // Users whose certificates bear another name than theirs: the certificate's name and the user's.
  std::vector<std::pair<std::string, std::string>> certificate_users;
};

// libpq's sslmode and channel_binding, with its meanings.
enum class SslMode : uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
enum class ChannelBinding : uint8_t { disable, prefer, require };

struct Credential {
  std::string user;
  std::string password;  // Empty: trust.
};

// What becomes of a session whose server answers what cannot be the answer to what was recorded.
enum class AttributionWitness : uint8_t { end, report };

// Server connections that are kept for the next session when theirs has ended.
struct PoolRule {
  uint32_t min = 0;  // Made ahead, on all shards together.
  uint32_t max = 0;  // That wait at most, on all shards together; 0: there is no pool.
  uint64_t idle_ms = 60'000;
  bool is_on() const { return max > 0; }
};

// A named connection to a PostgreSQL server. The client asks for it by the name of its database.
struct Target {
  std::string name;
  std::vector<std::string> hosts;  // Tried in order; one that starts with '/' is a Unix socket's folder.
  uint16_t port = 5432;
  std::string database;
  std::string user;
  std::string password;  // The server's, never the client's; empty: trust.
  SslMode sslmode = SslMode::prefer;
  ChannelBinding channel_binding = ChannelBinding::prefer;
  std::shared_ptr<const net::TlsContext> tls;  // Null: as with disable.
  std::vector<std::string> tags;
  uint32_t connections_max = 0;  // 0: no bound of its own.
  // For sessions of that access level, in place of `user` and `password`.
  std::map<policy::Level, Credential> credentials;
  const std::string& user_for(policy::Level level) const {
    const auto found = credentials.find(level);
    return found == credentials.end() ? user : found->second.user;
  }
  Credential credential_for(policy::Level level) const {
    const auto found = credentials.find(level);
    return found == credentials.end() ? Credential{user, password} : found->second;
  }
  bool allow_superuser_read = false;  // Sessions of level read although the server's user is a superuser.
  // Unrestricted sessions keep standard_conforming_strings and the encoding as the server's configuration has
  // them.
  bool legacy_strings = false;
  AttributionWitness attribution_witness = AttributionWitness::report;
  // The server is asked what its sessions run, by connections of the appliance's own: one for each
  // credential.
  bool attribution_watch = false;
  NameForm application_name;
  PoolRule pool;
  // Connections that wait in the pools of all shards, or are being made to wait there, and those of them that
  // are being closed and may still be at the server; carried over as `sessions` is.
  std::shared_ptr<std::atomic<uint32_t>> warm = std::make_shared<std::atomic<uint32_t>>(0);
  std::shared_ptr<std::atomic<uint32_t>> leaving = std::make_shared<std::atomic<uint32_t>>(0);
  // Sessions that are open on all shards; carried over from one snapshot to the next.
  std::shared_ptr<std::atomic<uint32_t>> sessions = std::make_shared<std::atomic<uint32_t>>(0);
};

struct Limits {
  uint32_t connections_max = 10'000;
  uint32_t message_bytes_max = 1u << 30;
  uint64_t prepared_bytes_max = 64u << 20;  // See pg::SessionNames::kept_bytes().
  // Of the two that follow, the most that a record of the trail has room for.
  static constexpr uint32_t statement_bytes_most = 384 << 10;
  static constexpr uint32_t parameters_bytes_most = 192 << 10;
  uint32_t statement_bytes_max = 65'536;
  uint32_t parameters_bytes_max = 16'384;
  uint64_t startup_ms = 10'000;
  uint64_t authentication_ms = 30'000;
  uint64_t connect_ms = 10'000;
  uint64_t idle_ms = 0;
  uint64_t idle_in_transaction_ms = 0;
  VolumeRule volume_per_user;
  VolumeRule volume_per_address;
};

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
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace ringfence::proxy
