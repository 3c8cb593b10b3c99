#include "ringfence/auth/stored_password.h"

#include "prepared.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::auth {

Result<StoredPassword> make_stored_password(const model::Secret& password, const PasswordCost& cost,
                                            ByteView scram_salt) {
  std::string salt(scram_salt);
  if (salt.empty()) {
    auto random = crypto::random_bytes(pg::scram_salt_size);
    if (!random) return unexpected(random.error());
    salt = std::move(*random);
  }
  auto hash = crypto::make_argon2_hash(prepared(password).reveal(), cost.argon2);
  if (!hash) return unexpected(hash.error());
  // It prepares the password itself.
  const pg::ScramVerifier verifier = pg::make_scram_verifier(password.reveal(), salt, cost.scram_iterations);
  StoredPassword out;
  std::string text = crypto::format_argon2_hash(*hash);
  out.argon2 = model::Secret(text);
  crypto::secure_zero(text);
  text = pg::format_scram_verifier(verifier);
  out.scram = model::Secret(text);
  crypto::secure_zero(text);
  return out;
}

}  // namespace ringfence::auth
