#include "ringfence/control/credentials.h"

#include <cstring>

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

Result<std::string> seal_credential(const KeyRing& ring, const CredentialPlace& place,
                                    const model::Secret& secret) {
  crypto::BoxKey key = box_key(ring.current());
  auto box = crypto::seal_box(key, context_of(place), secret.reveal());
  crypto::secure_zero(key);
  if (!box) return unexpected(std::move(box.error()));
  return ring.current_id() + ":" + base64_encode(*box);
}

Result<model::Secret> open_credential(const KeyRing& ring, const CredentialPlace& place,
                                      std::string_view sealed) {
  const size_t colon = sealed.find(':');
  if (colon == std::string_view::npos) return fail(Fault::malformed, "is no sealed secret");
  const model::Secret* with = ring.find(sealed.substr(0, colon));
  if (with == nullptr) {
    return fail(Fault::not_found, "the key ring has no key \"" + std::string(sealed.substr(0, colon)) +
                                      "\", by which it is sealed");
  }
  auto box = base64_decode(sealed.substr(colon + 1));
  if (!box) return fail(Fault::malformed, "is no sealed secret");
  crypto::BoxKey key = box_key(*with);
  auto opened = crypto::open_box(key, context_of(place), *box);
  crypto::secure_zero(key);
  if (!opened) return unexpected(std::move(opened.error()));
  model::Secret out(*opened);
  crypto::secure_zero(*opened);
  return out;
}

}  // namespace ringfence::control
