#include <charconv>

#include "ringfence/crypto/secret.h"
#include "ringfence/pg/scram.h"
#include "scram_text.h"

namespace ringfence::pg {

ScramClient::ScramClient(std::string nonce, ScramClientBinding binding)
    : nonce_(std::move(nonce)), binding_(std::move(binding)) {
  RINGFENCE_ASSERT(is_scram_nonce(nonce_));
}

std::string ScramClient::header() const {
  switch (binding_.use) {
    case ScramClientBinding::Use::unsupported: return "n,,";
    case ScramClientBinding::Use::not_offered: return "y,,";
    case ScramClientBinding::Use::bound: break;
  }
  return "p=tls-server-end-point,,";
}

std::string ScramClient::first() {
  RINGFENCE_ASSERT(state_ == State::start);
  state_ = State::sent_first;
  // PostgreSQL takes the user name from the startup message; libpq too leaves it empty here.
  first_bare_ = "n=,r=" + nonce_;
  return header() + first_bare_;
}

Result<ScramClient::Challenge> ScramClient::take_challenge(ByteView server_first) {
  RINGFENCE_ASSERT(state_ == State::sent_first);
  state_ = State::done;  // Unless all is well.
  if (server_first.size() > scram_server_message_max) return scram_malformed("too long");
  ScramReader in(server_first);
  auto nonce = in.expect('r');
  if (!nonce || !is_scram_nonce(*nonce)) return scram_malformed("nonce expected");
  if (nonce->size() <= nonce_.size() || nonce->substr(0, nonce_.size()) != nonce_)
    return scram_malformed("nonce does not match");
  auto salt_text = in.expect('s');
  if (!salt_text) return scram_malformed("salt expected");
  auto salt = base64_decode(*salt_text);
  if (!salt || salt->empty()) return scram_malformed("invalid salt");
  auto count = in.expect('i');
  Challenge out;
  if (!count || count->empty()) return scram_malformed("iteration count expected");
  auto [end, error] = std::from_chars(count->data(), count->data() + count->size(), out.iterations);
  if (error == std::errc::invalid_argument || end != count->data() + count->size() ||
      (error == std::errc() && out.iterations < 1))
    return scram_malformed("invalid iteration count");
  if (error != std::errc() || out.iterations > scram_iterations_max)
    return fail(Fault::limit, "the server asks for more than " + std::to_string(scram_iterations_max) +
                                  " SCRAM iterations");
  if (!in.skip_extensions()) return scram_malformed("unsupported extension");

  nonce_ = *nonce;
  server_first_ = server_first;
  out.salt = std::move(*salt);
  state_ = State::challenged;
  return out;
}

std::string ScramClient::final(const ScramKeys& keys) {
  RINGFENCE_ASSERT(state_ == State::challenged);
  state_ = State::sent_final;
  std::string bound = header();
  if (binding_.use == ScramClientBinding::Use::bound) bound += binding_.data;
  std::string out = "c=" + base64_encode(bound) + ",r=" + nonce_;
  const std::string auth_message = first_bare_ + "," + server_first_ + "," + out;
  const auto stored_key = crypto::sha256(crypto::view_of(keys.client_key));
  const auto signature = crypto::hmac_sha256(crypto::view_of(stored_key), auth_message);
  server_signature_ = crypto::hmac_sha256(crypto::view_of(keys.server_key), auth_message);
  out += ",p=" + base64_encode(crypto::view_of(xor_of(keys.client_key, signature)));
  return out;
}

Result<void> ScramClient::check(ByteView server_final) {
  RINGFENCE_ASSERT(state_ == State::sent_final);
  state_ = State::done;
  if (server_final.size() > scram_server_message_max) return scram_malformed("too long");
  ScramReader in(server_final);
  auto attribute = in.next();
  if (attribute && attribute->name == 'e') return fail(Fault::denied, "the server refused the SCRAM login");
  if (!attribute || attribute->name != 'v' || !in.skip_extensions())
    return scram_malformed("server signature expected");
  auto signature = scram_digest(attribute->value);
  if (!signature) return scram_malformed("server signature expected");
  if (!crypto::constant_time_equal(crypto::view_of(*signature), crypto::view_of(server_signature_)))
    return fail(Fault::denied, "the server's SCRAM signature is wrong: it does not know the password");
  return {};
}

}  // namespace ringfence::pg
