#include "preparation.h"

#include "ringfence/auth/api_key.h"
#include "ringfence/auth/password_rules.h"
#include "ringfence/auth/stored_password.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/control/credentials.h"
#include "ringfence/model/target_secrets.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::control {

using model::Json;

namespace {

Prepared prepare_user(const Preparing& record, const Json& given) {
  Prepared out;
  const auto found = given.find("password");
  if (found == given.end()) return out;
  if (found->is_null()) {
    for (const char* field : {"password_hash", "verifier", "password_set_at"}) out.fields[field] = nullptr;
    return out;
  }
  const model::Secret password(found->get_ref<const std::string&>());
  if (std::string wrong = auth::check_new_password(password, record.name); !wrong.empty()) {
    out.refusal = invalid({{"password", wrong}});
    return out;
  }
  auth::PasswordCost cost;
  cost.scram_iterations = record.salt.iterations;
  auto stored = auth::make_stored_password(password, cost, record.salt.salt);
  if (!stored) {
    out.refusal = unavailable(stored.error().message);
    return out;
  }
  out.fields["password_hash"] = std::string(stored->argon2.reveal());
  out.fields["verifier"] = std::string(stored->scram.reveal());
  out.fields["password_set_at"] = rfc3339(wall_us());
  return out;
}

Prepared prepare_key(const LoginSalt& salt) {
  Prepared out;
  auto key = auth::make_api_key();
  if (!key) {
    out.refusal = unavailable(key.error().message);
    return out;
  }
  out.fields["prefix"] = key->prefix;
  out.fields["hash"] = hex_of(crypto::view_of(key->hash));
  out.told["key"] = std::string(key->text.reveal());
  if (salt.salt.empty()) return out;
  out.fields["verifier"] =
      pg::format_scram_verifier(pg::make_scram_verifier(key->text.reveal(), salt.salt, salt.iterations));
  return out;
}

Prepared prepare_target(const Preparing& record, const Json& given, const KeyRing& ring) {
  Prepared out;
  for (const model::TargetSecret& secret : model::target_secrets()) {
    const auto found = given.find(secret.given);
    if (found == given.end()) continue;
    out.fields[secret.sealed] = out.fields[secret.set_at] = nullptr;
    if (found->is_null()) continue;
    const model::Secret password(found->get_ref<const std::string&>());
    if (std::string wrong = model::check_password(password); !wrong.empty()) {
      out.refusal = invalid({{secret.given, wrong}});
      return out;
    }
    auto sealed =
        seal_credential(ring, ring.current_id(), {record.noun.name, record.id, secret.sealed}, password);
    if (!sealed) {
      out.refusal = unavailable(sealed.error().message);
      return out;
    }
    out.fields[secret.sealed] = *sealed;
    out.fields[secret.set_at] = rfc3339(wall_us());
  }
  return out;
}

}  // namespace

Prepared prepare(const Preparing& record, const Json& given, const KeyRing& ring) {
  if (record.noun.name == "user") return prepare_user(record, given);
  if (record.noun.name == "target") return prepare_target(record, given, ring);
  if (record.noun.name == "key" && record.is_new) return prepare_key(record.salt);
  return {};
}

Json without_secrets(const model::Noun& noun, const Json& given) {
  Json out = given;
  for (const model::Field& field : noun.fields) {
    if (field.exposure == model::Exposure::write_only) out.erase(std::string(field.name));
  }
  return out;
}

}  // namespace ringfence::control
