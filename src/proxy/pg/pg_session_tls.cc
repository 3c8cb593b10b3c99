// The client's TLS: how it begins, what a listener asks of it, and what a certificate says about who it is.
#include <algorithm>

#include "pg_session.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"
#include "ringfence/net/tls_accept.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using net::TlsFailure;
using ring::Task;

namespace {
// What a client that speaks TLS to a listener without it understands: a fatal alert, handshake_failure, in a
// record of its own (RFC 8446, section 6).
constexpr std::string_view refusing_alert("\x15\x03\x01\x00\x02\x02\x28", 7);
}  // namespace

// SSLRequest where the listener has TLS.
Task<Result<void>> PgSession::answer_ssl_request(net::Gather& in) {
  if (in.size() > 0) {
    // Whoever sits between may have put it there, to be taken for something that came encrypted
    // (CVE-2021-23214).
    shard_.core.counters.client_tls.fail(TlsFailure::early_bytes);
    co_return fail(Fault::malformed, "received unencrypted data after SSL request");
  }
  auto answering = send("S");
  Result<void> answered = co_await answering;
  if (!answered) co_return answered;
  auto starting = start_tls(in, {});
  co_return co_await starting;
}

// PostgreSQL 17's sslnegotiation=direct: TLS from the first byte on, with ALPN, so that nobody can make a
// client of another protocol talk to us.
Task<Result<void>> PgSession::start_direct_tls(net::Gather& in) {
  if (policy_ == nullptr || !policy_->context) {
    auto answering = send(std::string(refusing_alert));
    Result<void> answered = co_await answering;
    client_is_mute_ = true;
    co_return fail(Fault::unavailable, "TLS is off");
  }
  std::string first(in.bytes());
  in.consume(first.size());
  auto starting = start_tls(in, std::move(first));
  Result<void> started = co_await starting;
  if (!started) co_return started;
  if (tls_->engine().alpn() != net::alpn_postgresql) {
    shard_.core.counters.client_tls.fail(TlsFailure::alpn);
    co_return fail(Fault::malformed, "direct TLS without the application protocol \"postgresql\" (ALPN)");
  }
  co_return Result<void>{};
}

Task<Result<void>> PgSession::start_tls(net::Gather& in, std::string first) {
  net::TlsAccepting how{policy_->context, shard_.core.tls_buffers, &shard_.core.counters.client_tls.legs,
                        nullptr};
  if (policy_->context->gives_tickets()) how.ticket_keys = snapshot_->ticket_keys;
  auto accepting = net::accept_tls(client_, std::move(how), std::move(first));
  net::TlsAccepted accepted = co_await accepting;
  if (accepted.tls == nullptr) {
    note_failed_tls(accepted.failure, accepted.result.error());
    // What has to be said was said by an alert; in the clear there is nothing more to say.
    client_is_mute_ = true;
    co_return accepted.result;
  }
  net::TlsStream& tls = *accepted.tls;
  tls_ = &tls;
  shard_.core.counters.client_tls.done.add();
  if (tls.engine().is_resumed()) shard_.core.counters.client_tls.resumed.add();
  in.go_on_with(tls);
  co_return Result<void>{};
}

void PgSession::note_failed_tls(TlsFailure failure, const Error& error) {
  shard_.core.counters.client_tls.fail(failure);
  log_debug("TLS handshake failed",
            {{"client", login_->client_addr}, {"listener", listener_->name}, {"reason", error.message}});
  // A certificate that does not hold is a failed login; others are noise that anybody can make.
  if (error.fault != Fault::denied || !recorder_.has_room(Recorder::outcome_bytes_max)) return;
  shard_.core.counters.logins_failed.add();
  login_->auth_method = "certificate";
  identify();
  record_failed_login(pg::sqlstate::invalid_authorization, error.message);
}

bool PgSession::has_enough_tls() const {
  if (policy_ == nullptr || policy_->tls < ListenerTls::require) return true;
  if (tls_ == nullptr) return false;
  // The handshake has seen to it; said again, because everything rests on it.
  return policy_->tls != ListenerTls::verify || tls_->engine().has_peer_certificate();
}

// Whether the client's certificate names the user that it wants to be; if not, why, for staff.
std::string PgSession::check_certificate() const {
  net::TlsPeerNames names = tls_->engine().peer_names();
  std::vector<std::string> own;
  switch (policy_->certificate_name) {
    case CertificateName::cn: own = {names.cn}; break;
    case CertificateName::dn: own = {names.dn}; break;
    case CertificateName::dns: own = std::move(names.dns); break;
    case CertificateName::email: own = std::move(names.emails); break;
    case CertificateName::uri: own = std::move(names.uris); break;
  }
  for (const std::string& name : own) {
    if (name.empty()) continue;
    bool is_mapped = false;
    for (const auto& [certificate, user] : policy_->certificate_users) {
      if (certificate != name) continue;
      if (user == user_) return {};
      is_mapped = true;
    }
    // A name that is mapped to others is no longer a user's own.
    if (!is_mapped && name == user_) return {};
  }
  return "the certificate \"" + names.dn + "\" does not name this user";
}

void PgSession::describe_tls(audit::EventBuilder& event) const {
  const net::TlsEngine& engine = tls_->engine();
  std::string out = "{";
  if (engine.has_peer_certificate()) {
    out += "\"client_certificate\":";
    audit::append_json_string(out, make_valid_text(engine.peer_names().dn));
    out += ",";
  }
  out += "\"tls_cipher\":\"" + std::string(engine.cipher()) +
         "\",\"tls_resumed\":" + (engine.is_resumed() ? "true" : "false") + ",\"tls_version\":\"" +
         std::string(engine.version()) + "\"}";
  event.text(Tag::metadata, out);
}

}  // namespace ringfence::proxy
