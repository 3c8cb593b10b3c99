// Where to connect or listen: an IP address and port, or a Unix socket's path.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"

namespace ringfence::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  bool is_unix() const { return storage.ss_family == AF_UNIX; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// "127.0.0.1:5432", "[::1]:5432", "unix:/run/x/.s.PGSQL.5432" ("unix:" alone: a peer without a name).
std::string to_string(const Address& address);
// Of a connected peer.
Address peer_address(int fd);
// Of our own end.
Address local_address(int fd);
// An IP literal; Fault::not_found when the host is a name.
Result<Address> numeric_address(std::string_view host, uint16_t port);
Result<Address> unix_address(std::string_view path);
// Asks the resolver: blocks, so on a worker only. At most 16 addresses.
Result<std::vector<Address>> resolve(const std::string& host, uint16_t port);

}  // namespace ringfence::net
