#include "login_salt.h"

#include <nlohmann/json.hpp>

#include "ringfence/crypto/secret.h"

namespace ringfence::control {

namespace {

// False: it has none.
bool take_salt(const model::Json& body, LoginSalt& out) {
  const auto found = body.find("verifier");
  if (found == body.end() || !found->is_string()) return false;
  auto verifier = pg::parse_scram_verifier(found->get_ref<const std::string&>());
  if (!verifier) return false;
  out.salt = std::move(verifier->salt);
  out.iterations = verifier->iterations;
  return true;
}

}  // namespace

Result<LoginSalt> new_login_salt(const std::string& name, ByteView scram_secret) {
  LoginSalt out;
  if (!scram_secret.empty()) {
    out.salt = pg::scram_salt_of(scram_secret, name);
    return out;
  }
  auto random = crypto::random_bytes(pg::scram_salt_size);
  if (!random) return unexpected(std::move(random.error()));
  out.salt = std::move(*random);
  return out;
}

Result<LoginSalt> login_salt(const model::Json& user, const model::Json* newest_key, ByteView scram_secret) {
  LoginSalt out;
  if (take_salt(user, out)) return out;
  if (newest_key != nullptr && take_salt(*newest_key, out)) return out;
  return new_login_salt(user.value("name", ""), scram_secret);
}

}  // namespace ringfence::control
