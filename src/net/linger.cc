#include "ringfence/net/linger.h"

namespace ringfence::net {

ring::Task<void> linger(Stream& stream, size_t bytes_max, Receive* begun) {
  stream.shutdown_write();
  Receive own(stream);
  Receive& receive = begun != nullptr ? *begun : own;
  for (size_t total = 0; total < bytes_max;) {
    Result<Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    total += chunk->bytes().size();
  }
}

}  // namespace ringfence::net
