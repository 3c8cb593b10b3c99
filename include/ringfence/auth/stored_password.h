// What is kept of a password that is set: one form for each protocol that it logs in by, made together.
#pragma once

#include <cstdint>

#include "ringfence/base/result.h"
#include "ringfence/crypto/argon2.h"
#include "ringfence/model/secret.h"
#include "ringfence/pg/scram.h"

namespace ringfence::auth {

struct StoredPassword {
  model::Secret argon2;  // $argon2id$…: what HTTP's Basic authentication is checked against.
  model::Secret scram;   // SCRAM-SHA-256$…: what PostgreSQL's clients prove.
};

struct PasswordCost {
  crypto::Argon2Cost argon2;
  uint32_t scram_iterations = pg::scram_iterations_default;
};

// Slow: on a worker thread. Both forms are of the password as SASLprep leaves it. The caller has checked it
// (password_rules.h). `scram_salt` is pg::scram_salt_of() where the salt that clients see is not to tell when
// the user came or changed his password; empty: random. Errors: no memory, no randomness.
Result<StoredPassword> make_stored_password(const model::Secret& password, const PasswordCost& cost = {},
                                            ByteView scram_salt = {});

}  // namespace ringfence::auth
