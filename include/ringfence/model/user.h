// Who logs in.
#pragma once

#include <string>
#include <vector>

#include "ringfence/model/defect.h"
#include "ringfence/model/secret.h"

namespace ringfence::model {

struct User {
  static constexpr size_t roles_max = 64;

  std::string name;
  std::vector<std::string> roles;
  Secret verifier;  // SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, as PostgreSQL stores it.
};

// Without a verifier it is the `password` that is missing: that is what people give.
Defects defects(const User& user);

}  // namespace ringfence::model
