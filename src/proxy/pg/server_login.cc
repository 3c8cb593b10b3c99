#include "server_login.h"

#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using ring::Task;

UpstreamRefusal server_refusal(std::string_view sqlstate, const Target& target, std::string reason) {
  return {std::string(sqlstate), "the server of database \"" + target.name + "\" cannot be used now",
          "The reason is in the appliance's log and trail.", std::move(reason), false};
}

tl::unexpected<UpstreamRefusal> unreachable(std::string_view sqlstate, const Target& target,
                                            std::string reason) {
  return tl::unexpected<UpstreamRefusal>(server_refusal(sqlstate, target, std::move(reason)));
}

ServerLogin::ServerLogin(PgShardState& shard, const Target& target, const Credential& credential,
                         Opening& opening, Upstream& upstream, std::string endpoint_hash)
    : shard_(shard),
      target_(target),
      credential_(credential),
      opening_(opening),
      upstream_(upstream),
      endpoint_hash_(std::move(endpoint_hash)),
      in_(*upstream.stream) {}

OpeningStage ServerLogin::stage() const {
  return is_authenticated_ || is_no_session_ ? OpeningStage::startup : OpeningStage::authenticate;
}

Task<tl::expected<void, UpstreamRefusal>> ServerLogin::run(std::string startup) {
  auto sending = send(std::move(startup));
  auto sent = co_await sending;
  if (!sent) co_return unreachable(pg::sqlstate::connection_failure, target_, sent.error().message);
  for (int i = 0; i < server_login_messages_max; ++i) {
    auto reading = read_message(in_, server_login_message_bytes_max);
    Result<Message> message = co_await reading;
    if (!message) {
      if (message.error().fault == Fault::limit) shard_.core.counters.limits_reached.add();
      co_return unreachable(pg::sqlstate::connection_failure, target_, message.error().message);
    }
    auto handling = handle(*message);
    auto handled = co_await handling;
    if (!handled) co_return tl::unexpected<UpstreamRefusal>(std::move(handled).error());
    if (*handled) {
      upstream_.greeting->leftover = in_.bytes();
      co_return tl::expected<void, UpstreamRefusal>{};
    }
  }
  shard_.core.counters.limits_reached.add();
  co_return unreachable(pg::sqlstate::protocol_violation, target_,
                        "the server's login has too many messages");
}

// True when the login is over.
Task<tl::expected<bool, UpstreamRefusal>> ServerLogin::handle(const Message& message) {
  switch (message.type) {
    case pg::from_server::authentication: {
      auto answering = authenticate(message.body);
      Result<void> answered = co_await answering;
      if (!answered)
        co_return unreachable(pg::sqlstate::connection_exception, target_, answered.error().message);
      co_return false;
    }
    case pg::from_server::error_response: co_return tl::unexpected<UpstreamRefusal>(refusal_of(message.body));
    case pg::from_server::parameter_status:
      if (auto status = pg::parse_parameter_status(message.body)) {
        upstream_.greeting->settings.emplace_back(status->name, status->value);
      }
      [[fallthrough]];
    case pg::from_server::notice_response:
      if (upstream_.greeting->parameter_statuses.size() < server_login_message_bytes_max) {
        append_message(upstream_.greeting->parameter_statuses, message);
      }
      co_return false;
    case pg::from_server::backend_key_data: {
      auto key = pg::parse_backend_key_data(message.body);
      if (!key) co_return unreachable(pg::sqlstate::protocol_violation, target_, key.error().message);
      upstream_.process_id = key->process_id;
      upstream_.cancel_key = key->key;
      co_return false;
    }
    case pg::from_server::negotiate_protocol_version: co_return false;
    case pg::from_server::ready_for_query: {
      auto status = pg::parse_ready_for_query(message.body);
      if (!is_authenticated_ || !status) {
        co_return unreachable(pg::sqlstate::protocol_violation, target_,
                              "ReadyForQuery before authentication");
      }
      upstream_.greeting->transaction_status = static_cast<char>(*status);
      co_return true;
    }
    default:
      co_return unreachable(pg::sqlstate::protocol_violation, target_,
                            std::string("a message of type '") + message.type + "' while logging in");
  }
}

Task<Result<void>> ServerLogin::authenticate(ByteView body) {
  auto request = pg::parse_authentication(body);
  if (!request) co_return unexpected(std::move(request).error());
  std::string answer;
  // A server that has begun a proof may not ask for the password itself instead.
  bool asks_for_password =
      request->kind == pg::AuthenticationKind::cleartext || request->kind == pg::AuthenticationKind::md5;
  if (scram_ && asks_for_password)
    co_return fail(Fault::denied, "the server changed its authentication method");
  bool must_bind = target_.channel_binding == ChannelBinding::require;
  if (must_bind && !is_bound_ && request->kind != pg::AuthenticationKind::sasl) {
    co_return fail(Fault::denied,
                   "channel binding is required, but the server does not authenticate with it");
  }
  switch (request->kind) {
    case pg::AuthenticationKind::ok:
      if (scram_ && !scram_checked_) {
        co_return fail(Fault::denied, "the server let us in without proving that it knows the password");
      }
      if (upstream_.greeting->auth_method.empty()) upstream_.greeting->auth_method = "trust";
      is_authenticated_ = true;
      co_return Result<void>{};
    case pg::AuthenticationKind::cleartext:
      upstream_.greeting->auth_method = "cleartext";
      pg::append_password(answer, credential_.password.reveal());
      break;
    case pg::AuthenticationKind::md5: {
      upstream_.greeting->auth_method = "md5";
      auto hashed = pg::md5_password(credential_.user, credential_.password.reveal(), request->md5_salt);
      if (!hashed) co_return unexpected(std::move(hashed).error());
      pg::append_password(answer, *hashed);
      break;
    }
    case pg::AuthenticationKind::sasl: {
      if (scram_) co_return fail(Fault::malformed, "the server began SASL twice");
      auto begun = begin_scram(*request);
      if (!begun) co_return unexpected(std::move(begun).error());
      answer = std::move(*begun);
      break;
    }
    case pg::AuthenticationKind::sasl_continue: {
      if (!scram_) co_return fail(Fault::malformed, "SASLContinue without SASL");
      auto challenge = scram_->take_challenge(request->data);
      if (!challenge) co_return unexpected(std::move(challenge).error());
      auto deriving = shard_.backend_keys.find(target_, credential_, *challenge, opening_);
      auto keys = co_await deriving;
      if (!keys) co_return unexpected(std::move(keys).error());
      pg::append_sasl_response(answer, scram_->final(*keys));
      break;
    }
    case pg::AuthenticationKind::sasl_final: {
      if (!scram_) co_return fail(Fault::malformed, "SASLFinal without SASL");
      auto checked = scram_->check(request->data);
      if (!checked) co_return unexpected(std::move(checked).error());
      scram_checked_ = true;
      co_return Result<void>{};
    }
    default:
      co_return fail(Fault::unavailable,
                     "the server asks for an authentication that the appliance does not have "
                     "(it has scram-sha-256, md5, cleartext and trust)");
  }
  auto sending = send(std::move(answer));
  auto sent = co_await sending;
  co_return sent;
}

Result<std::string> ServerLogin::begin_scram(const pg::AuthenticationRequest& request) {
  bool offers_plus = request.offers(pg::scram_plus_mechanism);
  bool is_tls = !upstream_.greeting->tls_version.empty();
  if (offers_plus && !is_tls) {
    return fail(Fault::denied, "the server offers channel binding on a connection without TLS");
  }
  bool can_bind = !endpoint_hash_.empty() && target_.channel_binding != ChannelBinding::disable;
  pg::ScramClientBinding binding;
  if (can_bind && offers_plus) {
    binding = {pg::ScramClientBinding::Use::bound, endpoint_hash_};
  } else if (target_.channel_binding == ChannelBinding::require) {
    return fail(Fault::denied, is_tls ? "channel binding is required, but the server does not offer it"
                                      : "channel binding is required, but the connection has no TLS");
  } else if (can_bind) {
    binding.use = pg::ScramClientBinding::Use::not_offered;
  }
  is_bound_ = binding.use == pg::ScramClientBinding::Use::bound;
  std::string_view mechanism = is_bound_ ? pg::scram_plus_mechanism : pg::scram_mechanism;
  if (!request.offers(mechanism)) return fail(Fault::unavailable, "the server offers no SCRAM-SHA-256");
  upstream_.greeting->auth_method = is_bound_ ? "scram-sha-256-plus" : "scram-sha-256";
  auto nonce = crypto::random_bytes(pg::scram_nonce_size);
  if (!nonce) return unexpected(std::move(nonce).error());
  scram_.emplace(base64_encode(*nonce), std::move(binding));
  std::string out;
  pg::append_sasl_initial_response(out, mechanism, scram_->first());
  return out;
}

Task<Result<void>> ServerLogin::send(std::string bytes) {
  net::Send sending(*upstream_.stream, bytes);
  auto sent = co_await sending;
  crypto::secure_zero(bytes);
  co_return sent;
}

// Errors of the server's authentication are the appliance's affair; others (too many connections, starting
// up, no such database) help the client.
UpstreamRefusal ServerLogin::refusal_of(ByteView body) {
  auto fields = pg::parse_error_fields(body);
  if (!fields) return server_refusal(pg::sqlstate::protocol_violation, target_, fields.error().message);
  bool may_try_otherwise = !is_authenticated_;
  std::string reason = std::string(fields->sqlstate) + " " + std::string(fields->message);
  if (fields->sqlstate.starts_with("28")) {
    auto refusal = server_refusal(pg::sqlstate::connection_exception, target_,
                                  "the server refused the stored credentials: " + reason);
    refusal.may_try_otherwise = may_try_otherwise;
    return refusal;
  }
  is_no_session_ = true;
  return {std::string(fields->sqlstate),
          "the server of database \"" + target_.name + "\" answered: " + std::string(fields->message),
          std::string(fields->hint), reason, may_try_otherwise};
}

}  // namespace ringfence::proxy
