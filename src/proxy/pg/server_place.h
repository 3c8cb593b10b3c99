// Where the servers are that sessions are connected to, for cancel requests. Of the shard's thread.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/net/address.h"
#include "ringfence/net/tls.h"

namespace ringfence::proxy {

// How a server was reached, for cancel requests, which go the same way. One for all connections that went
// there.
struct ServerPlace {
  net::Address address;
  std::string host;
  std::shared_ptr<const net::TlsContext> tls;  // Null: in the clear.
  bool operator==(const ServerPlace& other) const {
    return address.size == other.address.size &&
           std::memcmp(&address.storage, &other.address.storage, address.size) == 0 && host == other.host &&
           tls == other.tls;
  }
};

class ServerPlaces {
 public:
  // One object for all sessions at the same place: there are a few.
  std::shared_ptr<const ServerPlace> shared(ServerPlace place);

 private:
  std::vector<std::weak_ptr<const ServerPlace>> known_;
};

}  // namespace ringfence::proxy
