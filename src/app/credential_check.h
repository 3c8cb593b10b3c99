// What the credentials of targets may do on their servers, against the access levels that they are for.
#pragma once

#include <string>
#include <vector>

#include "ringfence/app/config/config.h"

namespace ringfence::app {

// A server's user and the access levels whose sessions are logged in as it, by the policies that bind the
// target.
struct CredentialUse {
  std::string user;
  Secret password;
  std::vector<policy::Level> levels;  // Ascending; empty: no policy gives access.
};
std::vector<CredentialUse> credential_uses(const Config& config, const model::PgTarget& target);
// "read and write"
std::string level_names(const std::vector<policy::Level>& levels);

struct CredentialReport {
  std::string error;                  // Why the server cannot be logged in to; empty: it could.
  std::vector<std::string> warnings;  // What the user may do that the levels may not.
};
// Logs in as a session does, within `connect_ms`; then, by libpq, asks the server. Blocks.
CredentialReport test_credential(const model::PgTarget& target, const CredentialUse& use,
                                 uint64_t connect_ms);

}  // namespace ringfence::app
