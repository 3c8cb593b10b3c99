#include "pg_login.h"

#include "cancel_desk.h"
#include "client_proof.h"
#include "ringfence/base/log.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/sqlstate.h"
#include "server_reach.h"
#include "startup_filter.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

Task<std::optional<LoginResult>> PgLogin::run() {
  auto starting = start();
  bool is_in = co_await starting;
  if (is_in) {
    auto checking = check_door();
    is_in = co_await checking;
  }
  if (is_in) {
    auto authenticating = authenticate();
    is_in = co_await authenticating;
  }
  if (is_in && wants_console()) {
    auto opening = open_console();
    is_in = co_await opening;
  } else if (is_in) {
    auto opening = open_server();
    is_in = co_await opening;
    if (is_in) {
      auto greeting = greet();
      is_in = co_await greeting;
    }
  }
  if (!is_in) co_return std::nullopt;
  co_return std::move(result_);
}

Task<bool> PgLogin::refuse(std::string_view sqlstate, std::string message, std::string hint) {
  auto refusing = applicant_.refuse(sqlstate, std::move(message), std::move(hint));
  co_await refusing;
  co_return false;
}

// ---------------------------------------------------------------- the client

Task<bool> PgLogin::start() {
  net::Deadline deadline(shard_.core.shard, *applicant_.client.stream, applicant_.limits().startup_ms);
  ClientStartup startup(applicant_, in_);
  auto reading = startup.read();
  Result<pg::FirstPacket> first = co_await reading;
  auto taking = take_first(std::move(first), startup.answer(), deadline.has_passed());
  co_return co_await taking;
}

Task<bool> PgLogin::take_first(Result<pg::FirstPacket> first, ClientStartup::Answer answer, bool is_late) {
  if (!first) {
    applicant_.client.has_no_answer = answer == ClientStartup::Answer::is_not_due;
    if (is_late) shard_.core.counters.limits_reached.add();
    if (is_late || first.error().fault == Fault::closed || answer != ClientStartup::Answer::is_due)
      co_return false;
    auto refusing = refuse(pg::sqlstate::protocol_violation, first.error().message);
    co_return co_await refusing;
  }
  if (first->kind == pg::FirstPacket::Kind::cancel_request) {
    applicant_.client.has_no_answer = true;
    auto serving = shard_.cancel_desk->serve(std::move(first->cancel), applicant_.client_addr);
    co_await serving;
    co_return false;
  }
  if (first->kind == pg::FirstPacket::Kind::unsupported_version) {
    auto refusing =
        refuse(pg::sqlstate::feature_not_supported,
               "unsupported frontend protocol " + std::to_string(first->startup.version.major) + "." +
                   std::to_string(first->startup.version.minor) + ": the appliance speaks 3.0 to 3.2");
    co_return co_await refusing;
  }
  applicant_.startup = std::move(first->startup);
  applicant_.user = applicant_.startup.user();
  applicant_.database = applicant_.startup.database();
  applicant_.identify();
  co_return true;
}

// What holds for every client, whoever it is.
Task<bool> PgLogin::check_door() {
  if (!has_enough_tls(applicant_)) {
    shard_.core.counters.clients_without_tls.add();
    auto refusing = refuse(pg::sqlstate::invalid_authorization,
                           "this listener takes connections with TLS only, and this one has none",
                           "Connect with sslmode=require or, better, verify-full.");
    co_return co_await refusing;
  }
  if (applicant_.user.empty()) {
    auto refusing =
        refuse(pg::sqlstate::invalid_authorization, "no user name is given in the startup packet");
    co_return co_await refusing;
  }
  if (shard_.core.is_draining) {
    auto refusing = refuse(pg::sqlstate::cannot_connect_now, "the appliance is shutting down");
    co_return co_await refusing;
  }
  auto checking = check_room();
  co_return co_await checking;
}

Task<bool> PgLogin::check_room() {
  const bool is_over_listener = applicant_.listener.has_too_many();
  if (shard_.core.all_load() > applicant_.limits().connections_max || is_over_listener) {
    shard_.core.counters.connections_refused.add();
    auto refusing = refuse(pg::sqlstate::too_many_connections, "too many connections",
                           is_over_listener ? "The bound is connections_max of the listener."
                                            : "The bound is limits.connections_max.");
    co_return co_await refusing;
  }
  if (recorder_.has_room(Recorder::outcome_bytes_max)) co_return true;
  auto waiting = shard_.core.room.wait();
  bool has_room = co_await waiting;
  if (has_room) co_return true;
  shard_.core.counters.trail_refusals.add();
  auto refusing = refuse("58030", "the audit trail cannot be written, so no session is opened",
                         "The appliance's /readyz says why.");
  co_return co_await refusing;
}

// Records the login. AuthenticationOk goes with what comes next, the greeting or a refusal, or before the
// first wait. A refusal must not show whether there is such a target, not even by how many pieces it comes
// in.
Task<bool> PgLogin::authenticate() {
  std::optional<std::string> message;
  {
    net::Deadline deadline(shard_.core.shard, *applicant_.client.stream,
                           applicant_.limits().authentication_ms);
    ClientProof proof(applicant_, in_);
    auto proving = proof.run();
    message = co_await proving;
    if (deadline.has_passed()) shard_.core.counters.limits_reached.add();
  }
  if (!message) co_return false;
  recorder_.volume().find(shard_.core, applicant_.limits(), applicant_.user, applicant_.client_addr);
  auto done =
      applicant_.event(Category::authentication, "postgres_client_auth", Severity::info, Outcome::success);
  if (applicant_.client.tls != nullptr) applicant_.describe_tls(done);
  if (const LoginKey* key = applicant_.login_key) {
    done.text(Tag::entity_type, "key").text(Tag::entity_id, to_string(key->id));
    if (shard_.core.options.key_used) shard_.core.options.key_used(key->id);
  }
  recorder_.publish(std::move(done));
  const User* user = applicant_.snapshot->find_user(applicant_.user);
  if (user != nullptr && user->must_change_password && applicant_.auth_method != "certificate") {
    auto refusing = refuse(pg::sqlstate::invalid_authorization,
                           "the password must be changed before the first connection",
                           "Set a new one with `ringfence login`, or by PUT /api/v1/auth/password.");
    co_return co_await refusing;
  }
  pg::append_authentication_ok(*message);
  applicant_.unsent = std::move(*message);
  result_.client_leftover = in_.bytes();
  co_return true;
}

// ---------------------------------------------------------------- the server

Task<bool> PgLogin::open_server() {
  auto parameters = requested_settings(applicant_.startup);
  if (!parameters) {
    auto refusing = refuse(parameters.error().sqlstate, parameters.error().message, parameters.error().hint);
    co_return co_await refusing;
  }
  applicant_.startup.name_application(*parameters);
  auto checking = check_access(*parameters);
  const bool is_let_in = co_await checking;
  if (!is_let_in) co_return false;
  const Target& target = *applicant_.target;
  name_for_server(*parameters);
  const uint32_t others = into_.lease.count_at(target);
  if (target.connections_max > 0 && others >= target.connections_max) {
    shard_.core.counters.connections_refused.add();
    UpstreamRefusal refusal = too_many_connections(target);
    auto refusing = refuse(refusal.sqlstate, std::move(refusal.message), std::move(refusal.hint));
    co_return co_await refusing;
  }
  if (!target.pool.is_on()) {
    auto sending = applicant_.send_unsent();
    const bool is_sent = co_await sending;
    if (!is_sent) co_return false;
  }
  auto reaching = reach_server(std::move(*parameters));
  const bool is_reached = co_await reaching;
  if (!is_reached) co_return false;
  auto taking = take_server();
  co_return co_await taking;
}

// One answer whether there is such a database or not, which does not tell what exists.
Task<bool> PgLogin::refuse_database() {
  return refuse(pg::sqlstate::invalid_catalog_name,
                "database \"" + std::string(applicant_.database) + "\" is not available to user \"" +
                    std::string(applicant_.user) + "\"",
                "The names of databases here are those of the appliance's targets.");
}

Task<bool> PgLogin::check_access(std::vector<pg::StartupParameter>& parameters) {
  SessionAccess& access = result_.access;
  const LoggedIn who{applicant_.user, applicant_.login_key};
  access = SessionAccess(shard_, applicant_.snapshot, who, applicant_.database);
  applicant_.target = access.target();
  applicant_.level = access.login_level();
  if (applicant_.target != nullptr) applicant_.identify();
  access.record_found(recorder_, shard_.core.shard.now_us());
  if (!access.is_granted()) {
    auto refusing = refuse_database();
    co_return co_await refusing;
  }
  auto restricted = access.restrict_parameters(parameters, notices_, recorder_, shard_.core.shard.now_us());
  if (!restricted) {
    auto refusing = refuse(pg::sqlstate::insufficient_privilege, restricted.error().message,
                           "docs/policy.md lists the settings that each level may change.");
    co_return co_await refusing;
  }
  co_return true;
}

// The human behind the session, first of all.
void PgLogin::name_for_server(std::vector<pg::StartupParameter>& parameters) {
  const Target& target = *applicant_.target;
  std::erase_if(parameters, [](const auto& each) { return each.name == "application_name"; });
  const std::string_view own = applicant_.startup.application_name();
  std::string name = target.application_name.name(applicant_.user, target.name, own);
  // In a pool it is set by a statement, whose text has to be valid in the client's encoding.
  if (target.pool.is_on()) name = printable_ascii(name);
  recorder_.call(name, own);
  parameters.insert(parameters.begin(), {"application_name", std::move(name)});
}

Task<bool> PgLogin::reach_server(std::vector<pg::StartupParameter> parameters) {
  ServerReach reach(applicant_, result_.access, result_.client_leftover);
  auto reaching = reach.run(std::move(parameters));
  auto upstream = co_await reaching;
  if (applicant_.client.is_gone()) {
    if (upstream) {
      upstream->stream->shutdown();
      into_.lease.take(std::move(*upstream));
    }
    record_gone("client closed the connection before the server had let it in");
    co_return false;
  }
  if (!upstream) {
    auto refusing = refuse_server(upstream.error());
    co_return co_await refusing;
  }
  into_.lease.take(std::move(*upstream));
  applicant_.server_addr = into_.lease.stream().peer();
  applicant_.identify();
  co_return true;
}

Task<bool> PgLogin::refuse_server(const UpstreamRefusal& refusal) {
  shard_.core.counters.upstream_failures.add();
  log_warning("server login failed", {{"target", applicant_.target->name},
                                      {"user", std::string(applicant_.user)},
                                      {"reason", refusal.reason}});
  auto failed =
      applicant_.event(Category::authentication, "postgres_auth_failed", Severity::error, Outcome::failure);
  failed.text(Tag::sqlstate, refusal.sqlstate);
  failed.text(Tag::reason, "server: " + refusal.reason);
  recorder_.publish(std::move(failed));
  auto refusing = refuse(refusal.sqlstate, refusal.message, refusal.hint);
  co_return co_await refusing;
}

// By what the server has said of itself.
Task<bool> PgLogin::take_server() {
  const SessionAccess& access = result_.access;
  result_.greeting = std::move(into_.lease.server().greeting);
  auto gate = result_.access.make_gate(shard_, *result_.greeting);
  if (!gate) {
    access.record_permission(recorder_, false, "connect", gate.error().message, shard_.core.shard.now_us());
    into_.lease.stream().shutdown();
    auto refusing = refuse(pg::sqlstate::insufficient_privilege, gate.error().message,
                           "Give the target's credentials.read a server user that may only read, or set its "
                           "allow_superuser_read.");
    co_return co_await refusing;
  }
  result_.gate = std::move(*gate);
  access.record_permission(recorder_, true, "connect",
                           std::string("access level ") + sql::level_name(access.level()),
                           shard_.core.shard.now_us());
  record_server();
  co_return true;
}

void PgLogin::record_server() {
  auto done = applicant_.event(Category::authentication, "postgres_auth", Severity::info, Outcome::success);
  const std::string& tls_version = result_.greeting->tls_version;
  const WarmTicket* ticket = into_.lease.ticket();
  done.text(Tag::metadata, "{\"server_auth_method\":\"" + std::string(result_.greeting->auth_method) +
                               "\",\"server_tls\":\"" + (tls_version.empty() ? "off" : tls_version) + "\"" +
                               (ticket == nullptr ? "}"
                                : ticket->is_warm ? ",\"server_connection\":\"warm\"}"
                                                  : ",\"server_connection\":\"new\"}"));
  recorder_.publish(std::move(done));
}

// What the server said at its login goes on to the client, the secret of its cancel key replaced by one of
// ours. The process id is the server's: clients know their notifications, pg_stat_activity's rows and what
// they may terminate by it.
Task<bool> PgLogin::greet() {
  const Upstream& server = into_.lease.server();
  std::string message = std::move(result_.greeting->parameter_statuses);
  // A server that gives no key, which PostgreSQL does not do, has nothing to cancel by.
  if (!server.cancel_key.empty()) {
    bool has_long_keys = applicant_.startup.version >= pg::ProtocolVersion{3, 2};
    auto key = into_.lease.make_cancel_key(into_.session, has_long_keys);
    if (!key) {
      auto refusing = refuse(pg::sqlstate::internal_error, "the machine has no randomness to give");
      co_return co_await refusing;
    }
    pg::append_backend_key_data(message, server.process_id, *key);
  }
  recorder_.publish(
      applicant_.event(Category::authentication, "postgres_connect", Severity::info, Outcome::success));
  message.append(notices_);
  pg::append_ready_for_query(message, result_.greeting->transaction_status);
  auto sending = send_greeting(std::move(message));
  co_return co_await sending;
}

Task<bool> PgLogin::send_greeting(std::string message) {
  auto sending = applicant_.send_within(std::move(message), applicant_.limits().authentication_ms);
  Result<void> sent = co_await sending;
  if (!sent) {
    const bool is_late = sent.error().fault == Fault::timeout;
    record_gone(is_late ? "the client did not take the greeting in time" : "client closed the connection");
    co_return false;
  }
  co_return true;
}

void PgLogin::record_gone(std::string_view reason) {
  auto gone =
      applicant_.event(Category::authentication, "postgres_disconnect", Severity::info, Outcome::success);
  gone.text(Tag::reason, reason);
  recorder_.publish(std::move(gone));
}

}  // namespace ringfence::proxy
