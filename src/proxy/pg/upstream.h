// The server's side of a login: dial a target, authenticate with its stored credentials, read up to the first
// ReadyForQuery.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pg_shard_state.h"
#include "ringfence/net/stream.h"
#include "ringfence/pg/startup.h"
#include "ringfence/proxy/core/opening.h"
#include "warm_ticket.h"

namespace ringfence::proxy {

// What a server says while it lets us in: of no use once the client has been told.
struct ServerGreeting {
  std::string parameter_statuses;  // Whole messages, as the server sent them, notices among them.
  std::vector<std::pair<std::string, std::string>> settings;  // What they say.
  char transaction_status = 'I';
  std::string leftover;          // Bytes that came behind ReadyForQuery.
  std::string_view auth_method;  // trust, cleartext, md5, scram-sha-256, scram-sha-256-plus
  std::string tls_version;       // Empty: no TLS.
  std::string name_due;          // What the session is to name the connection; empty: it has its name.
  // The client_encoding among the settings; empty: it was not reported.
  std::string_view encoding() const {
    for (const auto& [name, value] : settings) {
      if (name == "client_encoding") return value;
    }
    return {};
  }
};

// As long as its session, so it holds no more than that needs.
struct Upstream {
  std::unique_ptr<net::Stream> stream;
  std::shared_ptr<const ServerPlace> place;
  uint32_t process_id = 0;  // The server's own cancel key, which no client sees.
  std::string cancel_key;
  std::unique_ptr<ServerGreeting> greeting = std::make_unique<ServerGreeting>();
  std::unique_ptr<WarmTicket> ticket;  // Of a target with a pool; null otherwise.
  // Begun while it waited for its session: to be taken over, or awaited at the end.
  std::unique_ptr<net::Receive> receive;

  // What is received since it waited in its pool comes to `into` from here on.
  void hand_receive_to(net::Receive& into) {
    if (receive) into.take_over(*std::exchange(receive, nullptr));
  }
};

// Why it failed: what the client may know, and what only the log and the trail may.
struct UpstreamRefusal {
  std::string sqlstate;
  std::string message;
  std::string hint;
  std::string reason;  // For staff.
  // It failed before the server had authenticated us: with or without TLS it may go otherwise (allow,
  // prefer).
  bool may_try_otherwise = false;
};

// As `credential`, which is one of the target's, within the time of `opening`. What is referred to outlives
// the task.
ring::Task<tl::expected<Upstream, UpstreamRefusal>> open_upstream(
    PgShardState& shard, const Target& target, const Credential& credential, Opening& opening,
    std::vector<pg::StartupParameter> parameters);

// Sends a CancelRequest to the server and waits until it has closed the connection, which is when it has
// acted. False: whether it acts, and when, is not known. A request that was not sent does nothing.
ring::Task<bool> cancel_upstream(PgShardState& shard, std::shared_ptr<const ServerPlace> place,
                                 uint32_t process_id, std::string key);

}  // namespace ringfence::proxy
