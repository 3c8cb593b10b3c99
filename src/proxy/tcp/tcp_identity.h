// Who a client of a raw TCP listener is. It says nothing of itself: its certificate does, or its network.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ringfence/model/network.h"
#include "ringfence/net/tls.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

struct TcpClient {
  ClientPlace place;
  const net::TlsPeerNames* certificate = nullptr;  // Null: it has shown none.
};

struct TcpIdentity {
  std::string user;         // Also of one that is refused, where it is known.
  std::string_view method;  // "certificate", "network".
  std::string refusal;      // For staff; empty: the client is this user.
};

// Pure. A certificate has the word where there is one: a network does not make up for a name that is
// nobody's.
TcpIdentity identify(const Snapshot& snapshot, const Listener& listener, const TcpClient& client);

}  // namespace ringfence::proxy
