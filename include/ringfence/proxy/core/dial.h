// The connection to a target's server: its hosts in order, each of their addresses in order, until one
// answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ringfence/net/address.h"
#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/opening.h"
#include "ringfence/proxy/core/shard_core.h"
#include "ringfence/ring/task.h"

namespace ringfence::proxy {

// A dialled server connection and where it leads.
struct Dialled {
  std::unique_ptr<net::Stream> stream;
  net::Address address;
  std::string host = {};  // As configured: what its certificate has to be for.
};

// One attempt. Fault::timeout: the opening has ended.
ring::Task<Result<Dialled>> dial_address(ShardCore& core, net::Address address, std::string host,
                                         Opening& opening);
// A host is a name, an address, or a path that begins with '/'; `socket` behind the path is the Unix socket.
// Names are looked up on a worker. The error is that of the last attempt.
ring::Task<Result<Dialled>> dial_hosts(ShardCore& core, const std::vector<std::string>& hosts, uint16_t port,
                                       std::string socket, Opening& opening);

}  // namespace ringfence::proxy
