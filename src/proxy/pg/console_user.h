// What a user may do in the console: by the scopes that he has in the API.
#pragma once

#include <string_view>

#include "login_end.h"
#include "ringfence/model/target_rules.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

// The target's name that nobody gives to a target: the console's.
using model::console_database;

struct ConsoleUser {
  const User* then = nullptr;     // As at the login; of a snapshot that outlives this.
  const LoginKey* key = nullptr;  // By which he logged in; null: by none.

  // Of both, as they are now. Empty: he may not log in any more.
  auth::Scopes scopes(const Snapshot& now) const;
  // At least one command that needs a scope.
  bool may_enter(const Snapshot& now) const;
  // Why the session has to end; nothing: it goes on.
  std::optional<EndReason> ending(const Snapshot& now) const;
};

}  // namespace ringfence::proxy
