// The sessions of one shard whose bytes pass unseen, to targets of type tcp. Of the shard's thread.
#pragma once

#include <memory>

#include "ringfence/proxy/core/access_cache.h"
#include "ringfence/proxy/core/shard_core.h"

namespace ringfence::proxy {

class TcpShard final : public ProtocolShard {
 public:
  // Both belong together, and the core outlives this.
  explicit TcpShard(ShardCore& core) : core_(core) { core.serve(*this); }

  void adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) override;

 private:
  ShardCore& core_;
  AccessCache accesses_;
};

}  // namespace ringfence::proxy
