#include "ringfence/proxy/core/client_tls.h"

#include <utility>

#include "ringfence/audit/json.h"
#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"

namespace ringfence::proxy {

ring::Task<net::TlsAccepted> accept_client_tls(ShardCore& core, std::unique_ptr<net::Stream>& client,
                                               const Listener& listener, const Snapshot& snapshot,
                                               std::string first, std::string_view client_addr) {
  ShardCounters::Handshakes& handshakes = core.counters.client_tls;
  net::TlsAccepting how{listener.context, core.tls_buffers, &handshakes.legs, nullptr};
  if (listener.context->gives_tickets()) how.ticket_keys = snapshot.ticket_keys;
  auto accepting = net::accept_tls(client, std::move(how), std::move(first));
  net::TlsAccepted accepted = co_await accepting;
  if (accepted.tls != nullptr) {
    handshakes.done.add();
    if (accepted.tls->engine().is_resumed()) handshakes.resumed.add();
  } else {
    handshakes.fail(accepted.failure);
    log_debug("TLS handshake failed", {{"client", std::string(client_addr)},
                                       {"listener", listener.name},
                                       {"reason", accepted.result.error().message}});
  }
  co_return std::move(accepted);
}

std::string describe_tls(const net::TlsEngine& engine) {
  std::string out = "{";
  if (engine.has_peer_certificate()) {
    out += "\"client_certificate\":";
    audit::append_json_string(out, make_valid_text(engine.peer_names().dn));
    out += ",";
  }
  out += "\"tls_cipher\":\"" + std::string(engine.cipher()) +
         "\",\"tls_resumed\":" + (engine.is_resumed() ? "true" : "false") + ",\"tls_version\":\"" +
         std::string(engine.version()) + "\"}";
  return out;
}

}  // namespace ringfence::proxy
