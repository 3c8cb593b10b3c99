// The client's TLS: how it begins, and what a listener asks of it.
#include "ringfence/proxy/core/client_tls.h"
#include "client_startup.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using net::TlsFailure;
using ring::Task;

namespace {
// What a client that speaks TLS to a listener without it understands: a fatal alert, handshake_failure, in a
// record of its own (RFC 8446, section 6).
constexpr std::string_view refusing_alert("\x15\x03\x01\x00\x02\x02\x28", 7);
}  // namespace

// SSLRequest where the listener has TLS.
Task<Result<void>> ClientStartup::answer_ssl_request() {
  if (in_.size() > 0) {
    // Whoever sits between may have put it there, to be taken for something that came encrypted
    // (CVE-2021-23214).
    applicant_.shard.core.counters.client_tls.fail(TlsFailure::early_bytes);
    co_return fail(Fault::malformed, "received unencrypted data after SSL request");
  }
  auto answering = applicant_.send("S");
  Result<void> answered = co_await answering;
  if (!answered) co_return answered;
  auto starting = start_tls({});
  co_return co_await starting;
}

// PostgreSQL 17's sslnegotiation=direct: TLS from the first byte on, with ALPN, so that nobody can make a
// client of another protocol talk to us.
Task<Result<void>> ClientStartup::start_direct_tls() {
  if (applicant_.policy == nullptr || !applicant_.policy->context) {
    auto answering = applicant_.send(std::string(refusing_alert));
    Result<void> answered = co_await answering;
    answer_ = Answer::cannot_be_heard;
    co_return fail(Fault::unavailable, "TLS is off");
  }
  std::string first(in_.bytes());
  in_.consume(first.size());
  auto starting = start_tls(std::move(first));
  Result<void> started = co_await starting;
  if (!started) co_return started;
  if (applicant_.client.tls->engine().alpn() != net::alpn_postgresql) {
    applicant_.shard.core.counters.client_tls.fail(TlsFailure::alpn);
    co_return fail(Fault::malformed, "direct TLS without the application protocol \"postgresql\" (ALPN)");
  }
  co_return Result<void>{};
}

Task<Result<void>> ClientStartup::start_tls(std::string first) {
  auto accepting = accept_client_tls(applicant_.shard.core, applicant_.client.stream, *applicant_.policy,
                                     *applicant_.snapshot, std::move(first), applicant_.client_addr);
  net::TlsAccepted accepted = co_await accepting;
  if (accepted.tls == nullptr) {
    note_failed_tls(accepted.result.error());
    // What has to be said was said by an alert; in the clear there is nothing more to say.
    answer_ = Answer::cannot_be_heard;
    co_return accepted.result;
  }
  applicant_.client.tls = accepted.tls;
  in_.go_on_with(*accepted.tls);
  co_return Result<void>{};
}

void ClientStartup::note_failed_tls(const Error& error) {
  // A certificate that does not hold is a failed login; others are noise that anybody can make.
  if (error.fault != Fault::denied || !applicant_.recorder.has_room(Recorder::outcome_bytes_max)) return;
  applicant_.shard.core.counters.logins_failed.add();
  applicant_.auth_method = "certificate";
  applicant_.identify();
  applicant_.record_failed_login(pg::sqlstate::invalid_authorization, error.message);
}

bool has_enough_tls(const Applicant& applicant) {
  if (applicant.policy == nullptr || applicant.policy->tls < ListenerTls::require) return true;
  if (applicant.client.tls == nullptr) return false;
  // The handshake has seen to it; said again, because everything rests on it.
  return applicant.policy->tls != ListenerTls::verify ||
         applicant.client.tls->engine().has_peer_certificate();
}

}  // namespace ringfence::proxy
