// How a connection to a target's server begins: names are looked up, addresses are tried.
#pragma once

#include <string>

#include "opening.h"
#include "pg_shard_state.h"
#include "ringfence/net/address.h"

namespace ringfence::proxy {

ring::Task<Result<Dialled>> dial_address(PgShardState& shard, net::Address address, std::string host,
                                         Opening& opening);
// Each host in order, each of its addresses in order.
ring::Task<Result<Dialled>> dial_target(PgShardState& shard, const Target& target, Opening& opening);

}  // namespace ringfence::proxy
