// A listening socket: bound before any thread starts, accepted on one shard by a multishot accept.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ringfence/net/address.h"
#include "ringfence/ring/shard.h"

namespace ringfence::net {

// Binds and listens. `what` names the setting to change when the address is taken. A stale Unix socket, one
// that nobody answers on, is replaced.
Result<int> listen(const Address& address, const std::string& what);

class Listener {
 public:
  using Accepted = std::function<void(int fd)>;

  // On the shard's thread. `accepted` takes over each descriptor.
  Listener(ring::Shard& shard, int fd, Accepted accepted);
  ~Listener();
  // No more connections; the socket is closed when the kernel has let go of the accept, and `accepted` is
  // called for what came until then. Idempotent.
  void stop();
  bool is_stopped() const;

 private:
  struct Accept;
  std::shared_ptr<Accept> accept_;
};

}  // namespace ringfence::net
