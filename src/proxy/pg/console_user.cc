#include "console_user.h"

#include "console_command.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

auth::Scopes ConsoleUser::scopes(const Snapshot& now) const {
  const User* user = now.find_user(then->name);
  if (user == nullptr || end_of_login(now, *then, key)) return {};
  if (key == nullptr || key->scopes.empty()) return user->scopes;
  return both(user->scopes, key->scopes);
}

bool ConsoleUser::may_enter(const Snapshot& now) const {
  const auth::Scopes have = scopes(now);
  for (ConsoleVerb verb : {ConsoleVerb::show_sessions, ConsoleVerb::show_targets, ConsoleVerb::show_grants,
                           ConsoleVerb::show_stats, ConsoleVerb::show_config, ConsoleVerb::kill}) {
    if (have.has(console_scope(verb))) return true;
  }
  return false;
}

std::optional<EndReason> ConsoleUser::ending(const Snapshot& now) const {
  if (auto over = end_of_login(now, *then, key)) return over;
  if (may_enter(now)) return std::nullopt;
  return EndReason{std::string(pg::sqlstate::admin_shutdown),
                   "terminating connection: your access to the console has ended",
                   "It takes a role with a scope such as sessions:read."};
}

}  // namespace ringfence::proxy
