#include "ringfence/proxy/tcp/tcp_shard.h"

#include <utility>

#include "tcp_session.h"

namespace ringfence::proxy {

namespace {

const std::vector<std::string>* tags_of(const Snapshot& snapshot, std::string_view target) {
  const TcpTarget* found = snapshot.find_tcp_target(target);
  return found != nullptr ? &found->tags : nullptr;
}

}  // namespace

TcpShard::TcpShard(ShardCore& core) : core_(core), accesses_(&tags_of) { core.serve(*this); }

void TcpShard::adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) {
  auto owned = std::make_unique<TcpSession>(core_, accesses_, std::move(client), std::move(listener));
  TcpSession& session = *owned;
  core_.add(std::move(owned));
  ring::spawn(TcpSession::live(session));
}

}  // namespace ringfence::proxy
