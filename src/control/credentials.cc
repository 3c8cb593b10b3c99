#include "ringfence/control/credentials.h"

#include <cstring>

#include <nlohmann/json.hpp>

#include "ringfence/base/base64.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/sealed_box.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

namespace {

// The ring's keys serve other purposes, too: each has a key of its own.
crypto::BoxKey box_key(const model::Secret& key) {
  return crypto::hmac_sha256(key.reveal(), "ringfence control credentials");
}

std::string context_of(const CredentialPlace& place) {
  std::string out = "ringfence control credential 1";
  for (std::string_view part : {place.noun, place.id, place.field}) out.append(1, '\0').append(part);
  return out;
}

}  // namespace

Result<std::string> seal_credential(const KeyRing& ring, const std::string& key_id,
                                    const CredentialPlace& place, const model::Secret& secret) {
  const model::Secret* with = ring.find(key_id);
  RINGFENCE_ASSERT(with != nullptr);
  crypto::BoxKey key = box_key(*with);
  auto box = crypto::seal_box(key, context_of(place), secret.reveal());
  crypto::secure_zero(key);
  if (!box) return unexpected(std::move(box.error()));
  return key_id + ":" + base64_encode(*box);
}

Result<model::Secret> open_credential(const KeyRing& ring, const CredentialPlace& place,
                                      std::string_view sealed) {
  const std::string_view key_id = key_of_credential(sealed);
  if (key_id.empty()) return fail(Fault::malformed, "is no sealed secret");
  const model::Secret* with = ring.find(key_id);
  if (with == nullptr) {
    return fail(Fault::not_found,
                "the key ring has no key \"" + std::string(key_id) + "\" in use, by which it is sealed");
  }
  auto box = base64_decode(sealed.substr(key_id.size() + 1));
  if (!box) return fail(Fault::malformed, "is no sealed secret");
  crypto::BoxKey key = box_key(*with);
  auto opened = crypto::open_box(key, context_of(place), *box);
  crypto::secure_zero(key);
  if (!opened) return unexpected(std::move(opened.error()));
  model::Secret out(*opened);
  crypto::secure_zero(*opened);
  return out;
}

std::string_view key_of_credential(std::string_view sealed) {
  const size_t colon = sealed.find(':');
  return colon == std::string_view::npos ? std::string_view() : sealed.substr(0, colon);
}

bool is_credential(const model::Field& field) {
  return field.exposure == model::Exposure::hidden && field.name.starts_with("sealed_");
}

Result<void> move_credentials(const KeyRing& ring, const std::string& key_id, const model::Noun& noun,
                              model::Json& body) {
  const std::string id = body.at("id").get<std::string>();
  for (const model::Field& field : noun.fields) {
    if (!is_credential(field)) continue;
    model::Json& value = body[std::string(field.name)];
    if (!value.is_string() || key_of_credential(value.get_ref<const std::string&>()) == key_id) continue;
    const CredentialPlace place{noun.name, id, field.name};
    auto opened = open_credential(ring, place, value.get_ref<const std::string&>());
    if (!opened) continue;
    auto sealed = seal_credential(ring, key_id, place, *opened);
    if (!sealed) return unexpected(std::move(sealed.error()));
    value = *sealed;
  }
  return {};
}

}  // namespace ringfence::control
