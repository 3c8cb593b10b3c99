#include "ringfence/proxy/tcp/tcp_shard.h"

#include <utility>

#include "tcp_session.h"

namespace ringfence::proxy {

TcpShard::TcpShard(ShardCore& core) : core_(core), accesses_(&tcp_place) { core.serve(*this); }

void TcpShard::adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) {
  auto owned = std::make_unique<TcpSession>(core_, accesses_, std::move(client), std::move(listener));
  TcpSession& session = *owned;
  core_.add(std::move(owned));
  ring::spawn(TcpSession::live(session));
}

}  // namespace ringfence::proxy
