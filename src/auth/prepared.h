// A password as it is hashed.
#pragma once

#include <string>

#include "ringfence/crypto/secret.h"
#include "ringfence/model/secret.h"
#include "ringfence/pg/scram.h"

namespace ringfence::auth {

// As SCRAM takes it: however a keyboard composes a letter, the password fits by both protocols.
inline model::Secret prepared(const model::Secret& password) {
  std::string text = pg::prepare_password(password.reveal());
  model::Secret out(text);
  crypto::secure_zero(text);
  return out;
}

}  // namespace ringfence::auth
