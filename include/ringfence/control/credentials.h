// Secrets that the store keeps sealed: AES-256-GCM by the key ring, bound to the record and the field that
// they belong to. "<key id>:<base64>".
#pragma once

#include <string>
#include <string_view>

#include "ringfence/control/key_ring.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"

namespace ringfence::control {

// Where a secret stands. In another place it does not open.
struct CredentialPlace {
  std::string_view noun;
  std::string_view id;
  std::string_view field;
};

// By this key of the ring, which is in use. Fails where the machine has no randomness to give.
Result<std::string> seal_credential(const KeyRing& ring, const std::string& key_id,
                                    const CredentialPlace& place, const model::Secret& secret);
// Fault::not_found: the ring has no such key; Fault::denied: sealed elsewhere, by another key, or changed;
// Fault::malformed: no sealed secret.
Result<model::Secret> open_credential(const KeyRing& ring, const CredentialPlace& place,
                                      std::string_view sealed);

// The key by which it is sealed; empty: it is no sealed secret.
std::string_view key_of_credential(std::string_view sealed);
// Whether the field keeps a sealed secret.
bool is_credential(const model::Field& field);
// Seals all secrets of a record anew that are by another key than this one. Those that do not open stay as
// they are: nothing is lost that way, and whoever uses them tells of it.
Result<void> move_credentials(const KeyRing& ring, const std::string& key_id, const model::Noun& noun,
                              model::Json& body);

}  // namespace ringfence::control
