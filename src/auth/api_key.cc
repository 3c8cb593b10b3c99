#include "ringfence/auth/api_key.h"

#include "ringfence/crypto/secret.h"
#include "token_text.h"

namespace ringfence::auth {
namespace {

constexpr std::string_view scheme = "rf_";
static_assert(api_key_bytes == scheme.size() + api_key_prefix_bytes + 1 + token_text_bytes);

}  // namespace

bool is_api_key_prefix(std::string_view prefix) {
  return prefix.size() == api_key_prefix_bytes && std::all_of(prefix.begin(), prefix.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
         });
}

Result<NewApiKey> make_api_key() {
  auto letters = crypto::random_array<api_key_prefix_bytes>();
  auto secret = crypto::random_array<sizeof(crypto::Digest)>();
  if (!letters) return unexpected(letters.error());
  if (!secret) return unexpected(secret.error());
  NewApiKey out;
  for (uint8_t letter : *letters) out.prefix.push_back("abcdefghijklmnopqrstuvwxyz234567"[letter & 31]);
  std::string digits = token_text(*secret);
  crypto::secure_zero(*secret);
  std::string text;
  text.reserve(api_key_bytes);  // No piece of it stays in a smaller buffer.
  text.append(scheme).append(out.prefix).append("_").append(digits);
  out.hash = crypto::sha256(text);
  out.text = model::Secret(text);
  crypto::secure_zero(digits);
  crypto::secure_zero(text);
  return out;
}

std::optional<std::string_view> api_key_prefix(std::string_view text) {
  if (text.size() != api_key_bytes || !text.starts_with(scheme)) return std::nullopt;
  const std::string_view prefix = text.substr(scheme.size(), api_key_prefix_bytes);
  const size_t separator = scheme.size() + api_key_prefix_bytes;
  if (!is_api_key_prefix(prefix) || text[separator] != '_' || !is_token_text(text.substr(separator + 1)))
    return std::nullopt;
  return prefix;
}

std::string_view api_key_outcome_name(ApiKeyOutcome outcome) {
  switch (outcome) {
    case ApiKeyOutcome::ok: return "ok";
    case ApiKeyOutcome::malformed: return "malformed";
    case ApiKeyOutcome::unknown: return "unknown";
    case ApiKeyOutcome::wrong: return "wrong";
    case ApiKeyOutcome::expired: return "expired";
    case ApiKeyOutcome::revoked: return "revoked";
  }
  return "unknown";
}

ApiKeyOutcome check_api_key(std::string_view text, const ApiKeyFacts* found, uint64_t now_us) {
  if (!api_key_prefix(text)) return ApiKeyOutcome::malformed;
  // No text has this digest that anybody could find.
  static constexpr crypto::Digest nobody{};
  const crypto::Digest given = crypto::sha256(text);
  const bool fits = crypto::constant_time_equal(crypto::view_of(given),
                                                crypto::view_of(found == nullptr ? nobody : found->hash));
  if (found == nullptr) return ApiKeyOutcome::unknown;
  if (!fits) return ApiKeyOutcome::wrong;
  if (found->is_revoked) return ApiKeyOutcome::revoked;
  if (found->expires_at && now_us >= *found->expires_at) return ApiKeyOutcome::expired;
  return ApiKeyOutcome::ok;
}

}  // namespace ringfence::auth
