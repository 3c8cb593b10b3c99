// A named connection to a PostgreSQL server. The client asks for it by the name of its database.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "ringfence/model/defect.h"
#include "ringfence/model/name_form.h"
#include "ringfence/model/number.h"
#include "ringfence/model/secret.h"
#include "ringfence/model/target_rules.h"
#include "ringfence/model/tls_files.h"
#include "ringfence/policy/policy.h"

namespace ringfence::model {

// libpq's sslmode and channel_binding, with its meanings.
enum class SslMode : uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
inline constexpr Named<SslMode> ssl_mode_names[] = {
    {"disable", SslMode::disable}, {"allow", SslMode::allow},         {"prefer", SslMode::prefer},
    {"require", SslMode::require}, {"verify-ca", SslMode::verify_ca}, {"verify-full", SslMode::verify_full}};
enum class ChannelBinding : uint8_t { disable, prefer, require };
inline constexpr Named<ChannelBinding> channel_binding_names[] = {{"disable", ChannelBinding::disable},
                                                                  {"prefer", ChannelBinding::prefer},
                                                                  {"require", ChannelBinding::require}};

struct Credential {
  std::string user;
  Secret password;  // Empty: none (trust).
};

// What becomes of a session whose server answers what cannot be the answer to what was recorded.
enum class AttributionWitness : uint8_t { end, report };
inline constexpr Named<AttributionWitness> attribution_witness_names[] = {
    {"end", AttributionWitness::end}, {"report", AttributionWitness::report}};

// Server connections that are kept for the next session when theirs has ended.
struct PoolRule {
  uint32_t min = 0;  // Made ahead, on all shards together.
  uint32_t max = 0;  // That wait at most, on all shards together; 0: there is no pool.
  uint64_t idle_ms = 60'000;
  bool is_on() const { return max > 0; }
};
inline constexpr uint32_t pool_connections_max = 1'000;

template <typename Self, typename Visit>
void each_number(Self& pool, const Visit& visit)
  requires std::is_same_v<PoolRule, std::remove_const_t<Self>>
{
  visit("min", pool.min, Range{0, pool_connections_max});
  visit("max", pool.max, Range{0, pool_connections_max});
  visit("idle", pool.idle_ms, Range{1'000, day_ms, Unit::milliseconds});
}

struct PgTarget {
  std::string name;
  std::vector<std::string> hosts;  // Tried in order; one that starts with `/` is a Unix socket's directory.
  uint16_t port = 5432;
  std::string database;  // The name, unless said otherwise.
  std::string user;
  Secret password;  // The server's, never the client's; empty: none (trust).
  // For sessions of that access level, in place of `user` and `password`.
  std::map<policy::Level, Credential> credentials;
  SslMode sslmode = SslMode::prefer;
  ChannelBinding channel_binding = ChannelBinding::prefer;
  TlsFiles tls_files;
  std::vector<std::string> tags;
  uint32_t connections_max = 0;       // 0: no bound of its own.
  bool allow_superuser_read = false;  // Sessions of level read although the server's user is a superuser.
  // Unrestricted sessions keep standard_conforming_strings and the encoding as the server's configuration has
  // them.
  bool legacy_strings = false;
  AttributionWitness attribution_witness = AttributionWitness::end;
  // The server is asked what its sessions run, by connections of the appliance's own: one for each
  // credential.
  bool attribution_watch = false;
  NameForm application_name;
  PoolRule pool;

  const std::string& user_for(policy::Level level) const {
    const auto found = credentials.find(level);
    return found == credentials.end() ? user : found->second.user;
  }
  Credential credential_for(policy::Level level) const {
    const auto found = credentials.find(level);
    return found == credentials.end() ? Credential{user, password} : found->second;
  }
};

template <typename Self, typename Visit>
void each_number(Self& target, const Visit& visit)
  requires std::is_base_of_v<PgTarget, std::remove_const_t<Self>>
{
  visit("port", target.port, Range{1, 65'535});
  visit("connections_max", target.connections_max, Range{0, 1'000'000});
}

Defects defects(const PgTarget& target);

}  // namespace ringfence::model
