#include "applicant.h"

#include "ringfence/base/utf8.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/messages.h"
#include "ringfence/proxy/core/client_tls.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

Applicant::Applicant(PgShardState& shard_of, const SnapshotPtr& by, const ListenerFacts& at, Recorder& trail,
                     ClientEnd& who, const Uuid& session)
    : shard(shard_of),
      snapshot(by),
      listener(at),
      recorder(trail),
      client(who),
      id(session),
      policy(by->find_listener(at.name)),
      client_addr(who.stream->peer()) {}

void Applicant::identify() {
  recorder.identify(
      {.session_id = id,
       .user = user,
       .auth_method = auth_method,
       .api_key = login_key != nullptr ? std::string_view(login_key->prefix) : std::string_view(),
       .client_addr = client_addr,
       .application_name = startup.application_name(),
       .transport = client.tls != nullptr ? std::string_view("tls") : std::string_view(listener.transport),
       .target = target != nullptr ? std::string_view(target->name) : std::string_view(),
       .tags = target != nullptr ? &target->tags : nullptr,
       .database = target != nullptr ? std::string_view(target->database) : database,
       .server_addr = server_addr,
       .server_user = target != nullptr ? std::string_view(target->user_for(level)) : std::string_view()});
}

audit::EventBuilder Applicant::event(Category category, std::string_view action, Severity severity,
                                     Outcome outcome) {
  return recorder.event(category, action, severity, outcome, shard.core.shard.now_us());
}

// ---------------------------------------------------------------- what the client is sent

Task<Result<void>> Applicant::send(std::string bytes) {
  if (!unsent.empty()) bytes.insert(0, std::exchange(unsent, {}));
  net::Send sending(*client.stream, bytes);
  Result<void> sent = co_await sending;
  co_return sent;
}

Task<Result<void>> Applicant::send_within(std::string bytes, uint64_t ms) {
  net::Deadline deadline(shard.core.shard, *client.stream, ms);
  auto sending = send(std::move(bytes));
  Result<void> sent = co_await sending;
  if (!deadline.has_passed()) co_return sent;
  shard.core.counters.limits_reached.add();
  co_return fail(Fault::timeout, "the client did not take what it was sent in time");
}

Task<bool> Applicant::send_unsent() {
  auto sending = send_within({}, limits().authentication_ms);
  Result<void> sent = co_await sending;
  if (!sent) client.note_gone();
  co_return sent.has_value();
}

Task<void> Applicant::refuse(std::string_view sqlstate, std::string message, std::string hint) {
  // The client may have said already in which encoding it reads.
  const pg::Encoding encoding = pg::Encoding::asked(startup.find("client_encoding").value_or("UTF8"));
  message = pg::text_for(message, encoding);
  hint = pg::text_for(hint, encoding);
  std::string bytes;
  pg::append_error_response(bytes,
                            {.severity = "FATAL", .sqlstate = sqlstate, .message = message, .hint = hint});
  auto sending = send_within(std::move(bytes), limits().startup_ms);
  Result<void> sent = co_await sending;
}

// ---------------------------------------------------------------- a login that has failed

Task<void> Applicant::refuse_authentication(std::string reason, bool by_certificate) {
  shard.core.counters.logins_failed.add();
  std::string_view sqlstate =
      by_certificate ? pg::sqlstate::invalid_authorization : pg::sqlstate::invalid_password;
  record_failed_login(sqlstate, reason);
  auto refusing = refuse(sqlstate, std::string(by_certificate ? "certificate" : "password") +
                                       " authentication failed for user \"" + std::string(user) + "\"");
  co_await refusing;
}

// The first one is an event at once, those like it are counted.
void Applicant::record_failed_login(std::string_view sqlstate, std::string_view reason) {
  const std::string name = shown_name(user);
  const bool is_first = shard.core.failures.is_first(
      {Category::authentication, "postgres_auth_failed", client_addr, name, reason, sqlstate});
  if (!is_first) {
    shard.core.counters.failures_counted.add();
    return;
  }
  auto failed = event(Category::authentication, "postgres_auth_failed", Severity::warning, Outcome::denied);
  failed.text(Tag::sqlstate, sqlstate);
  failed.text(Tag::reason, reason);
  if (client.tls != nullptr) describe_tls(failed);
  recorder.publish(std::move(failed));
}

void Applicant::describe_tls(audit::EventBuilder& event) const {
  event.text(Tag::metadata, proxy::describe_tls(client.tls->engine()));
}

}  // namespace ringfence::proxy
