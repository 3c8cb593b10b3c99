// What the appliance adds to what was given, before the change begins: it may take a while.
#pragma once

#include <optional>

#include "login_salt.h"
#include "ringfence/control/answer.h"
#include "ringfence/control/key_ring.h"
#include "ringfence/model/noun.h"

namespace ringfence::control {

struct Prepared {
  model::Json fields = model::Json::object();  // In place of, or beside, those that were given.
  model::Json told = model::Json::object();    // Shown once, in the answer to this change.
  std::optional<Answer> refusal;
};

// The record that is about to be made or changed.
struct Preparing {
  const model::Noun& noun;
  const std::string& id;
  const std::string& name;
  bool is_new;
  // Of a user and of a key: what the user's other secrets are made with. A client's proof fits only those
  // that share a salt with the one that the challenge shows.
  const LoginSalt& salt;
};

// A user's password becomes what is kept of it, a target's is sealed; a new key gets its text.
Prepared prepare(const Preparing& record, const model::Json& given, const KeyRing& ring);

// Without what is given alone: what may be stored and recorded.
model::Json without_secrets(const model::Noun& noun, const model::Json& given);

}  // namespace ringfence::control
