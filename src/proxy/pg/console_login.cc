// The end of a login whose database is the console: no server behind, and rights by scopes.
#include "console_bounds.h"
#include "console_settings.h"
#include "console_user.h"
#include "pg_login.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/sqlstate.h"
#include "startup_filter.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

bool PgLogin::wants_console() const { return applicant_.database == console_database; }

Task<bool> PgLogin::open_console() {
  auto parameters = requested_settings(applicant_.startup);
  if (!parameters) {
    auto refusing = refuse(parameters.error().sqlstate, parameters.error().message, parameters.error().hint);
    co_return co_await refusing;
  }
  applicant_.startup.name_application(*parameters);
  applicant_.identify();
  const ConsoleUser user{applicant_.snapshot->find_user(applicant_.user), applicant_.login_key};
  const bool is_let_in =
      shard_.core.options.console != nullptr && user.then != nullptr && user.may_enter(*shard_.core.snapshot);
  auto found = applicant_.event(Category::authorization, is_let_in ? "permission_check" : "access_denied",
                                is_let_in ? Severity::info : Severity::warning,
                                is_let_in ? Outcome::success : Outcome::denied);
  found.text(Tag::entity_type, "console").text(Tag::entity_id, console_database);
  found.text(Tag::reason, is_let_in ? "a scope of the console" : "no scope of the console");
  recorder_.publish(std::move(found));
  if (!is_let_in) {
    auto refusing = refuse_database();
    co_return co_await refusing;
  }
  const bool has_room_for_user = shard_.consoles.has_room_for(user.then->name);
  if (!shard_.consoles.has_room() || !has_room_for_user) {
    shard_.core.counters.connections_refused.add();
    const char* why = has_room_for_user ? "too many sessions of the console are open"
                                        : "you have too many sessions of the console open";
    auto refusing = refuse(pg::sqlstate::too_many_connections, why, "End one of them, and connect again.");
    co_return co_await refusing;
  }
  result_.console_seat = std::make_unique<ConsoleSeat>(shard_.consoles, user.then->name);
  std::string message;
  append_console_settings(message, applicant_.user, applicant_.startup.application_name());
  pg::append_ready_for_query(message, 'I');
  recorder_.publish(
      applicant_.event(Category::authentication, "postgres_connect", Severity::info, Outcome::success));
  result_.console_user = user.then;
  result_.console_key = user.key;
  result_.console_input = std::make_unique<net::Gather>(std::move(in_));
  auto greeting = send_greeting(std::move(message));
  co_return co_await greeting;
}

}  // namespace ringfence::proxy
