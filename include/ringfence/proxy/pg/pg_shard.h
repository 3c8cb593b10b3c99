// The PostgreSQL sessions of one shard, and what they share beyond what any session does: cancel keys, pools
// of server connections, keys to servers. Everything runs on the shard's thread unless it says otherwise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ringfence/net/stream.h"
#include "ringfence/proxy/core/shard_core.h"

namespace ringfence::proxy {

struct PgShardState;

// Why a session is ended from our side: what its client is told.
struct EndReason {
  std::string sqlstate;
  std::string message;
  std::string hint;
};

class PgShard final : public ProtocolShard {
 public:
  // Both belong together, and the core outlives this.
  explicit PgShard(ShardCore& core);
  ~PgShard();

  // Before the threads start: those of all shards in their order, this one included: for what is asked of
  // all.
  void set_peers(const std::vector<PgShard*>& peers);

  void adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) override;
  // Makes the connections that are to be there before a session wants them.
  void begin() override;
  void reconsider() override;
  void drain() override;
  uint32_t pooled() const override;

  // For tests, which put their own server streams there.
  PgShardState& state() { return *state_; }

 private:
  std::unique_ptr<PgShardState> state_;
};

}  // namespace ringfence::proxy
