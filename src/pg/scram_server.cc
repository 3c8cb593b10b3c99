#include "ringfence/crypto/secret.h"
#include "ringfence/pg/scram.h"
#include "scram_text.h"

namespace ringfence::pg {
namespace {

constexpr std::string_view endpoint_flag = "p=tls-server-end-point";

// Splits client-first-message after its gs2-header: flag "," [authzid] ",". Empty if there are no two commas.
ByteView gs2_header_of(ByteView client_first) {
  const size_t first = client_first.find(',');
  const size_t second = first == ByteView::npos ? first : client_first.find(',', first + 1);
  return second == ByteView::npos ? ByteView() : client_first.substr(0, second + 1);
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, std::string nonce, ScramServerBinding binding,
                         std::vector<ScramSecret> others)
    : verifier_(std::move(verifier)),
      others_(std::move(others)),
      nonce_(std::move(nonce)),
      binding_(std::move(binding)) {
  RINGFENCE_ASSERT(is_scram_nonce(nonce_));
}

Result<void> ScramServer::check_binding_flag(ByteView header) const {
  const size_t comma = header.find(',');
  const ByteView flag = header.substr(0, comma);
  if (header.substr(comma) != ",,")
    return fail(Fault::malformed, "client uses authorization identity, but it is not supported");
  if (flag == endpoint_flag) {
    if (binding_.plus_was_chosen) return {};
    return scram_malformed("channel binding data without SCRAM-SHA-256-PLUS");
  }
  if (flag.substr(0, 2) == "p=") return fail(Fault::malformed, "unsupported SCRAM channel-binding type");
  if (flag != "n" && flag != "y") return scram_malformed("unknown channel-binding flag");
  if (binding_.plus_was_chosen) return scram_malformed("SCRAM-SHA-256-PLUS without channel binding data");
  // The client believes that we offer no channel binding, but we do: somebody between removed it from the
  // list.
  if (flag == "y" && binding_.plus_was_offered)
    return fail(Fault::malformed, "SCRAM channel binding negotiation error");
  return {};
}

Result<std::string> ScramServer::challenge(ByteView client_first) {
  RINGFENCE_ASSERT(state_ == State::start);
  state_ = State::done;  // Unless all is well.
  if (client_first.size() > scram_client_message_max) return scram_malformed("too long");
  const ByteView header = gs2_header_of(client_first);
  if (header.empty()) return scram_malformed("no gs2 header");
  if (auto flag = check_binding_flag(header); !flag) return unexpected(flag.error());

  const ByteView bare = client_first.substr(header.size());
  ScramReader in(bare);
  if (!in.expect('n')) return scram_malformed("user name expected");
  auto client_nonce = in.expect('r');
  if (!client_nonce || !is_scram_nonce(*client_nonce)) return scram_malformed("nonce expected");
  if (!in.skip_extensions()) return scram_malformed("unsupported extension");

  header_ = header;
  nonce_.insert(0, *client_nonce);
  std::string reply =
      "r=" + nonce_ + ",s=" + base64_encode(verifier_.salt) + ",i=" + std::to_string(verifier_.iterations);
  auth_message_ = std::string(bare) + "," + reply;
  state_ = State::challenged;
  return reply;
}

Result<std::string> ScramServer::verify(ByteView client_final) {
  RINGFENCE_ASSERT(state_ == State::challenged);
  state_ = State::done;
  if (client_final.size() > scram_client_message_max) return scram_malformed("too long");
  ScramReader in(client_final);
  auto binding = in.expect('c');
  if (!binding) return scram_malformed("channel binding expected");
  auto bound = base64_decode(*binding);
  if (!bound || *bound != header_ + (binding_.plus_was_chosen ? binding_.data : std::string()))
    return scram_malformed("channel binding check failed");
  auto nonce = in.expect('r');
  if (!nonce || *nonce != nonce_) return scram_malformed("nonce does not match");

  // Extensions may stand before the proof; the proof is last.
  std::optional<ScramAttribute> attribute = in.next();
  while (attribute && attribute->name != 'p' && attribute->name != 'm') attribute = in.next();
  if (!attribute || attribute->name != 'p' || !in.at_end()) return scram_malformed("proof expected");
  auto proof = scram_digest(attribute->value);
  if (!proof) return scram_malformed("proof expected");

  const size_t without_proof =
      static_cast<size_t>(attribute->value.data() - client_final.data()) - 3;  // ",p="
  auth_message_.append(",").append(client_final.substr(0, without_proof));
  return check_proof(*proof);
}

Result<std::string> ScramServer::check_proof(const crypto::Digest& proof) {
  std::vector<ScramSecret> all;
  all.reserve(others_.size() + 1);
  all.push_back({verifier_.stored_key, verifier_.server_key, verifier_.is_mock});
  all.insert(all.end(), others_.begin(), others_.end());
  size_t right = all.size();
  for (size_t i = 0; i < all.size(); ++i) {
    const auto signature = crypto::hmac_sha256(crypto::view_of(all[i].stored_key), auth_message_);
    auto client_key = xor_of(proof, signature);
    const auto computed = crypto::sha256(crypto::view_of(client_key));
    crypto::secure_zero(client_key);
    const bool is_right =
        crypto::constant_time_equal(crypto::view_of(computed), crypto::view_of(all[i].stored_key));
    right = is_right && !all[i].is_mock && right == all.size() ? i : right;
  }
  const bool is_right = right < all.size();
  proven_ = is_right ? right : 0;
  // Made for a wrong proof, too, so that the time is the same.
  const auto server_signature = crypto::hmac_sha256(crypto::view_of(all[proven_].server_key), auth_message_);
  if (!is_right) return fail(Fault::denied, "password authentication failed");
  return "v=" + base64_encode(crypto::view_of(server_signature));
}

}  // namespace ringfence::pg
