// The secrets of a target's record: what people give, and what is kept of it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ringfence/policy/policy.h"

namespace ringfence::model {

// Names of fields.
struct TargetSecret {
  const char* given;                   // Write-only: "read_password".
  const char* sealed;                  // Hidden.
  const char* set_at;                  // Shown: when it was given.
  const char* user;                    // Whose it is on the server.
  std::optional<policy::Level> level;  // Of sessions that log in with it; nothing: all that have none.
};
std::span<const TargetSecret> target_secrets();

// What decides where a secret goes. Who changes one of them gives the secrets again.
inline constexpr const char* target_place_fields[] = {"hosts", "port", "sslmode", "sslrootcert",
                                                      "ca_certificate"};

}  // namespace ringfence::model
