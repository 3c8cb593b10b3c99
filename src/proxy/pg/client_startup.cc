#include "client_startup.h"

#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

using ring::Task;

Task<Result<pg::FirstPacket>> ClientStartup::read() {
  for (int i = 0; i < negotiations_max; ++i) {
    if (i == 0) {
      auto any = in_.at_least(1);
      Result<void> has_any = co_await any;
      if (!has_any) co_return unexpected(std::move(has_any).error());
      if (in_.bytes()[0] == pg::tls_handshake_byte) {
        auto starting = start_direct_tls();
        Result<void> started = co_await starting;
        if (!started) co_return unexpected(std::move(started).error());
        continue;
      }
    }
    auto length = in_.at_least(4);
    Result<void> has_length = co_await length;
    if (!has_length) co_return unexpected(std::move(has_length).error());
    auto size = pg::first_packet_size(in_.bytes());
    // What cannot be a startup packet gets no answer, as from PostgreSQL: a Terminate, say, of a client that
    // has changed its mind.
    if (!size) answer_ = Answer::is_not_due;
    if (!size) co_return unexpected(std::move(size).error());
    auto rest = in_.at_least(*size);
    Result<void> has_rest = co_await rest;
    if (!has_rest) co_return unexpected(std::move(has_rest).error());
    auto packet = pg::parse_first_packet(in_.bytes().substr(0, *size));
    if (!packet && pg::is_cancel_request(in_.bytes())) answer_ = Answer::is_not_due;
    in_.consume(*size);
    if (!packet) co_return unexpected(std::move(packet).error());
    bool asks_for_tls = packet->kind == pg::FirstPacket::Kind::ssl_request;
    if (!asks_for_tls && packet->kind != pg::FirstPacket::Kind::gssenc_request) co_return std::move(*packet);
    if (applicant_.client.tls != nullptr)
      co_return fail(Fault::malformed, "a request for encryption inside of TLS");
    if (asks_for_tls && applicant_.policy != nullptr && applicant_.policy->context) {
      auto starting = answer_ssl_request();
      Result<void> started = co_await starting;
      if (!started) co_return unexpected(std::move(started).error());
      continue;
    }
    auto answering = applicant_.send("N");
    Result<void> answered = co_await answering;
    if (!answered) co_return unexpected(std::move(answered).error());
  }
  applicant_.shard.core.counters.limits_reached.add();
  co_return fail(Fault::limit, "too many negotiation requests before the startup packet");
}

}  // namespace ringfence::proxy
