// API keys: how they are made, read and checked. Values and pure functions; callers keep them.
//
// A key is `rf_<prefix>_<secret>`: 8 characters that name it, and 256 random bits in base64url. The appliance
// keeps the SHA-256 of the whole text. A slow hash is for what people choose: nobody guesses 256 random bits,
// so that a fast one loses nothing and no request pays for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ringfence/auth/scopes.h"
#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/model/secret.h"

namespace ringfence::auth {

inline constexpr size_t api_key_prefix_bytes = 8;
inline constexpr size_t api_key_bytes = 3 + api_key_prefix_bytes + 1 + 43;

// Keys of one user that are passwords of PostgreSQL logins: each costs a comparison at every login, of
// everybody, for the time does not tell whose keys there are.
inline constexpr size_t login_keys_max = 16;

struct NewApiKey {
  std::string prefix;  // No secret. Unique where keys are kept: whoever finds it taken makes another key.
  model::Secret text;  // Shown once, kept nowhere.
  crypto::Digest hash{};
};
// Fails where the machine has no randomness to give.
Result<NewApiKey> make_api_key();

// The prefix of a text that has a key's form, to look the key up by; it is a part of `text`. Nothing: the
// text is no API key. Cheap, for it is asked of each bearer token.
std::optional<std::string_view> api_key_prefix(std::string_view text);
// A prefix as keys have it: letters a-z and digits 2-7 (RFC 4648, section 6, in lower case).
bool is_api_key_prefix(std::string_view prefix);

// What is kept of one.
struct ApiKeyFacts {
  Uuid id;
  Uuid user_id;
  std::string prefix;
  crypto::Digest hash{};
  Scopes scopes;
  std::optional<uint64_t> expires_at;  // Unix time in microseconds. Nothing: never.
  bool is_revoked = false;
};

enum class ApiKeyOutcome : uint8_t {
  ok,
  malformed,  // Not of a key's form.
  unknown,    // No key has this prefix.
  wrong,      // The secret does not fit.
  expired,
  revoked,
};
// A word of its name, for events.
std::string_view api_key_outcome_name(ApiKeyOutcome outcome);

// `found` is what the prefix led to, or null. The same digest and comparison are made whether a key was found
// or not. `expired` and `revoked` are told only to who has the whole key; the caller answers all but `ok`
// alike to the client and keeps the difference for the trail.
ApiKeyOutcome check_api_key(std::string_view text, const ApiKeyFacts* found, uint64_t now_us);

}  // namespace ringfence::auth
