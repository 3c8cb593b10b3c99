// TLS towards a target's server, by libpq's rules.
//
//   sslmode      first      then
//   disable      plain
//   allow        plain      TLS, when the server refused
//   prefer       TLS        plain: on the same connection after 'N', else on another one
//   require      TLS        the certificate is checked where sslrootcert is given
//   verify-ca    TLS        checked against sslrootcert
//   verify-full  TLS        and for the host's name
//
// As in libpq, a server on a Unix socket is never asked for TLS, whatever the mode.
#pragma once

#include <vector>

#include "pg_shard_state.h"

namespace ringfence::proxy {

// Which attempts a target's mode makes, in order: true is with TLS.
std::vector<bool> tls_attempts(SslMode mode);

struct ServerTls {
  bool is_on = false;
  std::string version;        // "TLSv1.3"
  std::string endpoint_hash;  // What SCRAM binds to; empty: nothing.
};

// Asks for TLS on a fresh connection and shakes hands; `dialled.stream` is the TLS stream afterwards. Off:
// the server said 'N'. The deadline is the caller's.
ring::Task<Result<ServerTls>> start_server_tls(PgShardState& shard,
                                               std::shared_ptr<const net::TlsContext> context,
                                               Dialled& dialled);

}  // namespace ringfence::proxy
