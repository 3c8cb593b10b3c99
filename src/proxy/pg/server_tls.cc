#include "server_tls.h"

#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

using net::TlsFailure;
using ring::Task;

std::vector<bool> tls_attempts(SslMode mode) {
  switch (mode) {
    case SslMode::disable: return {false};
    case SslMode::allow: return {false, true};
    case SslMode::prefer: return {true, false};
    default: return {true};
  }
}

Task<Result<ServerTls>> start_server_tls(PgShardState& shard, std::shared_ptr<const net::TlsContext> context,
                                         Dialled& dialled) {
  std::string request;
  pg::append_ssl_request(request);
  net::Send sending(*dialled.stream, request);
  Result<void> sent = co_await sending;
  if (!sent) co_return unexpected(std::move(sent).error());
  net::Gather in(*dialled.stream);
  auto reading = in.at_least(1);
  Result<void> has_answer = co_await reading;
  if (!has_answer) co_return unexpected(std::move(has_answer).error());
  char answer = in.bytes()[0];
  if (in.size() > 1 && answer != 'E') {
    // What came in the clear must not be taken for something that came encrypted (CVE-2021-23222).
    shard.core.counters.server_tls.fail(TlsFailure::early_bytes);
    co_return fail(Fault::malformed,
                   "the server sent unencrypted data after its answer to the request for TLS");
  }
  if (answer == 'N') co_return ServerTls{};
  // The text of an error here is anybody's, so it is not passed on (CVE-2024-10977).
  if (answer != 'S')
    co_return fail(Fault::unavailable, "the server answered the request for TLS with an error");
  auto made = std::make_unique<net::TlsStream>(std::move(dialled.stream), std::move(context),
                                               shard.core.tls_buffers, &shard.core.counters.server_tls.legs);
  net::TlsStream& tls = *made;
  dialled.stream = std::move(made);
  tls.engine().expect_host(dialled.host);
  auto shaking = tls.handshake();
  Result<void> shaken = co_await shaking;
  if (!shaken) {
    TlsFailure failure = tls.engine().failure();
    shard.core.counters.server_tls.fail(failure != TlsFailure::none ? failure : TlsFailure::closed);
    co_return unexpected(std::move(shaken).error());
  }
  shard.core.counters.server_tls.done.add();
  ServerTls out;
  out.is_on = true;
  out.version = tls.engine().version();
  out.endpoint_hash = tls.engine().endpoint_hash();
  co_return std::move(out);
}

}  // namespace ringfence::proxy
