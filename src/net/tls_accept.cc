#include "ringfence/net/tls_accept.h"

namespace ringfence::net {

ring::Task<TlsAccepted> accept_tls(std::unique_ptr<Stream>& stream, TlsAccepting how, std::string first) {
  auto made = std::make_unique<TlsStream>(std::move(stream), how.context, how.buffers, how.legs);
  TlsStream& tls = *made;
  stream = std::move(made);
  if (how.ticket_keys) tls.engine().use_ticket_keys(how.ticket_keys);
  auto shaking = tls.handshake(std::move(first));
  TlsAccepted out;
  out.result = co_await shaking;
  if (out.result) {
    out.tls = &tls;
    co_return out;
  }
  const TlsFailure failure = tls.engine().failure();
  out.failure = failure != TlsFailure::none ? failure : TlsFailure::closed;
  std::unique_ptr<Stream> beneath = tls.give_back();
  stream = std::move(beneath);
  co_return out;
}

}  // namespace ringfence::net
