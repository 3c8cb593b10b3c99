// Secrets that the store keeps sealed: AES-256-GCM by the key ring, bound to the record and the field that
// they belong to. "<key id>:<base64>".
#pragma once

#include <string>
#include <string_view>

#include "ringfence/control/key_ring.h"

namespace ringfence::control {

// Where a secret stands. In another place it does not open.
struct CredentialPlace {
  std::string_view noun;
  std::string_view id;
  std::string_view field;
};

// By the current key. Fails where the machine has no randomness to give.
Result<std::string> seal_credential(const KeyRing& ring, const CredentialPlace& place,
                                    const model::Secret& secret);
// Fault::not_found: the ring has no such key; Fault::denied: sealed elsewhere, by another key, or changed;
// Fault::malformed: no sealed secret.
Result<model::Secret> open_credential(const KeyRing& ring, const CredentialPlace& place,
                                      std::string_view sealed);

}  // namespace ringfence::control
