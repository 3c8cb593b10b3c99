#include "client_proof.h"

#include <algorithm>
#include <span>

#include "message_reader.h"
#include "ringfence/auth/api_key.h"
#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"
#include "ringfence/proxy/core/certificate_users.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// Says which version is spoken, and what of the startup packet is not known; empty where nothing is to be
// said.
std::string negotiation_of(const pg::StartupMessage& startup) {
  std::string message;
  if (auto negotiated = pg::negotiate(startup)) pg::append_negotiate_protocol_version(message, *negotiated);
  return message;
}

}  // namespace

ClientProof::ClientProof(Applicant& applicant, net::Gather& in)
    : applicant_(applicant), in_(in), user_(applicant.snapshot->find_user(applicant.user)) {}

Task<std::optional<std::string>> ClientProof::run() {
  const Listener* policy = applicant_.policy;
  const net::TlsStream* tls = applicant_.client.tls;
  applicant_.auth_method = "scram-sha-256";
  if (tls != nullptr && tls->engine().has_peer_certificate() &&
      policy->certificate_login != CertificateLogin::password) {
    bool is_enough = policy->certificate_login == CertificateLogin::certificate;
    applicant_.auth_method = is_enough ? "certificate" : "certificate+scram-sha-256";
    std::string wrong = check_certificate();
    if (wrong.empty() && is_enough && user_ == nullptr) wrong = "no such user";
    applicant_.identify();
    if (!wrong.empty()) {
      auto refusing = applicant_.refuse_authentication(std::move(wrong), true);
      co_await refusing;
      co_return std::nullopt;
    }
    if (is_enough) co_return negotiation_of(applicant_.startup);
  }
  auto proving = by_password();
  co_return co_await proving;
}

std::string ClientProof::check_certificate() const {
  const net::TlsPeerNames names = applicant_.client.tls->engine().peer_names();
  const std::vector<std::string> users = users_of(names, *applicant_.policy);
  if (std::find(users.begin(), users.end(), applicant_.user) != users.end()) return {};
  return "the certificate \"" + names.dn + "\" does not name this user";
}

Task<std::optional<std::string>> ClientProof::by_password() {
  auto nonce = crypto::random_bytes(pg::scram_nonce_size);
  if (!nonce) {
    auto refusing = applicant_.refuse(pg::sqlstate::internal_error, "the machine has no randomness to give");
    co_await refusing;
    co_return std::nullopt;
  }
  nonce_ = std::move(*nonce);
  if (applicant_.client.tls != nullptr) binding_.data = applicant_.client.tls->engine().endpoint_hash();
  const bool offers_plus = !binding_.data.empty();
  binding_.plus_was_offered = offers_plus;
  std::string message = negotiation_of(applicant_.startup);
  // The stronger first, as PostgreSQL has them.
  const std::string_view mechanisms[] = {pg::scram_plus_mechanism, pg::scram_mechanism};
  pg::append_authentication_sasl(message, std::span(mechanisms).subspan(offers_plus ? 0 : 1));
  for (int step = 0; step < 2; ++step) {
    auto asking = ask(std::move(message));
    std::optional<std::string> answer = co_await asking;
    if (!answer) co_return std::nullopt;
    Result<std::string> reply = step == 0 ? challenge(*answer) : verify(*answer);
    if (!reply) {
      auto refusing = refuse(reply.error());
      co_await refusing;
      co_return std::nullopt;
    }
    message = std::move(*reply);
  }
  co_return std::move(message);
}

Task<std::optional<std::string>> ClientProof::ask(std::string message) {
  auto sending = applicant_.send(std::move(message));
  Result<void> sent = co_await sending;
  if (!sent) co_return std::nullopt;
  auto reading = read_message(in_, client_login_message_bytes_max);
  Result<Message> answer = co_await reading;
  // psql hangs up here to ask for a password: not a failure.
  if (!answer && answer.error().fault == Fault::closed) co_return std::nullopt;
  if (!answer && answer.error().fault == Fault::limit) applicant_.shard.core.counters.limits_reached.add();
  if (!answer || answer->type != pg::from_client::password) {
    auto refusing = applicant_.refuse(pg::sqlstate::protocol_violation,
                                      answer ? "expected a SASL response" : answer.error().message);
    co_await refusing;
    co_return std::nullopt;
  }
  co_return std::move(answer->body);
}

Result<std::string> ClientProof::challenge(ByteView answer) {
  auto initial = pg::parse_sasl_initial_response(answer);
  if (!initial) return unexpected(std::move(initial).error());
  binding_.plus_was_chosen = binding_.plus_was_offered && initial->mechanism == pg::scram_plus_mechanism;
  if ((initial->mechanism != pg::scram_mechanism && !binding_.plus_was_chosen) || !initial->data)
    return fail(Fault::malformed, "the client chose a SASL mechanism that was not offered");
  if (binding_.plus_was_chosen) {
    applicant_.auth_method =
        applicant_.auth_method == "scram-sha-256" ? "scram-sha-256-plus" : "certificate+scram-sha-256-plus";
  }
  applicant_.identify();
  const Snapshot& snapshot = *applicant_.snapshot;
  // Made for everybody, so that the time is the same.
  pg::ScramVerifier verifier =
      pg::mock_scram_verifier(snapshot.mock_secret, applicant_.user,
                              snapshot.scram_shapes.shape_of(snapshot.mock_secret, applicant_.user));
  std::vector<pg::ScramSecret> keys(auth::login_keys_max, {verifier.stored_key, verifier.server_key, true});
  if (user_ != nullptr && user_->has_secret()) {
    verifier = user_->keys;
    verifier.is_mock = !user_->has_password;
    for (size_t i = 0; i < std::min(keys.size(), user_->login_keys.size()); ++i)
      keys[i] = user_->login_keys[i].secret;
  }
  scram_.emplace(std::move(verifier), base64_encode(nonce_), std::move(binding_), std::move(keys));
  auto reply = scram_->challenge(*initial->data);
  if (!reply) return unexpected(std::move(reply).error());
  std::string message;
  pg::append_authentication_sasl_continue(message, *reply);
  return message;
}

Result<std::string> ClientProof::verify(ByteView answer) {
  auto reply = scram_->verify(answer);
  if (!reply && reply.error().fault == Fault::denied) return fail(Fault::denied, why_wrong());
  if (!reply) return unexpected(std::move(reply).error());
  if (std::string why = take_key(scram_->proven()); !why.empty()) return fail(Fault::denied, std::move(why));
  std::string message;
  pg::append_authentication_sasl_final(message, *reply);
  return message;
}

std::string ClientProof::why_wrong() const {
  if (user_ == nullptr) return "no such user";
  if (!user_->has_unfit_keys) return "wrong password";
  return "wrong password, or an API key that was made before keys were passwords here; make a new key";
}

// `secret`: the number of the one that was proved; 0: the password. Why it is not taken all the same, for
// staff; empty: it is.
std::string ClientProof::take_key(size_t secret) {
  if (secret == 0) return {};
  const LoginKey& key = user_->login_keys[secret - 1];
  applicant_.login_key = &key;
  applicant_.auth_method =
      applicant_.auth_method.starts_with("certificate") ? "certificate+api key" : "api key";
  applicant_.identify();
  if (!key.is_enabled) return "the API key is not enabled";
  if (!key.may_connect) return "the API key's scopes lack " + std::string(auth::connect_scope);
  if (!applicant_.is_protected()) return "an API key is taken over TLS or a Unix socket alone";
  return {};
}

Task<void> ClientProof::refuse(const Error& error) {
  if (error.fault == Fault::denied) {
    auto refusing = applicant_.refuse_authentication(error.message);
    co_await refusing;
    co_return;
  }
  auto refusing = applicant_.refuse(pg::sqlstate::protocol_violation, error.message);
  co_await refusing;
}

}  // namespace ringfence::proxy
