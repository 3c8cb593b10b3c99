// Whether who has logged in may still be there, by the same proof.
#pragma once

#include <optional>

#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/proxy/pg/pg_shard.h"

namespace ringfence::proxy {

// Who logged in, and by what.
struct LoggedIn {
  std::string_view user;
  const LoginKey* key = nullptr;  // The API key that was the password; null: none was.
};

// `then` and `key`: the user and the key as at the login. Nothing: the session goes on.
std::optional<EndReason> end_of_login(const Snapshot& now, const User& then, const LoginKey* key);

}  // namespace ringfence::proxy
