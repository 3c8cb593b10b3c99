// The salt that all of a user's secrets for PostgreSQL logins are made with: the password's and the keys'.
//
// It stays the same as long as the user has one of them, whichever node makes the next one.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/model/json.h"
#include "ringfence/pg/scram.h"

namespace ringfence::control {

struct LoginSalt {
  std::string salt;  // Empty: a random one may be made.
  uint32_t iterations = pg::scram_iterations_default;
};

// Of a user who has a record. `newest_key`: his newest API key; null: he has none.
// `scram_secret`: what the salts of users are made with who have no secret yet (pg::scram_salt_of); empty:
// those are random.
Result<LoginSalt> login_salt(const model::Json& user, const model::Json* newest_key, ByteView scram_secret);
// Of one whose record is about to be made.
Result<LoginSalt> new_login_salt(const std::string& name, ByteView scram_secret);

}  // namespace ringfence::control
