#include "login_end.h"

#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

namespace {

EndReason login_over(std::string message, std::string hint) {
  return {std::string(pg::sqlstate::admin_shutdown), "terminating connection: " + std::move(message),
          std::move(hint)};
}

}  // namespace

std::optional<EndReason> end_of_login(const Snapshot& now, const User& then, const LoginKey* key) {
  const User* user = now.find_user(then.name);
  if (user == nullptr || user->id != then.id)
    return login_over("the user \"" + then.name + "\" may not log in any more", "Ask an administrator.");
  if (key != nullptr) {
    const LoginKey* found = user->find_key(key->id);
    if (found != nullptr && found->is_enabled && found->may_connect) return std::nullopt;
    return login_over("the API key by which \"" + then.name + "\" logged in is not valid any more",
                      "Connect again with another key.");
  }
  if (user->password_set_us != then.password_set_us) {
    return login_over("the password of \"" + then.name + "\" has changed",
                      "Connect again with the new password.");
  }
  return std::nullopt;
}

}  // namespace ringfence::proxy
