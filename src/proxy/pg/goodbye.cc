#include "goodbye.h"

#include "ringfence/net/linger.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

ring::Task<void> say_goodbye(net::Stream& stream) {
  net::Send sending(stream, goodbye);
  Result<void> sent = co_await sending;
  stream.shutdown();
}

ring::Task<void> say_goodbye_and_wait(net::Stream& stream, net::Receive& receive) {
  net::Send sending(stream, goodbye);
  Result<void> sent = co_await sending;
  auto lingering = net::linger(stream, linger_bytes_max, &receive);
  co_await lingering;
  stream.shutdown();
}

}  // namespace ringfence::proxy
