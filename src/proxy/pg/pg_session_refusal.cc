// What a client is told whose login comes to nothing, and what the trail says of it.
#include "pg_session.h"
#include "ringfence/pg/messages.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

Task<bool> PgSession::refuse(std::string_view sqlstate, std::string message, std::string hint) {
  // The client may have said already in which encoding it reads.
  const pg::Encoding encoding = pg::Encoding::asked(login_->startup.find("client_encoding").value_or("UTF8"));
  message = pg::text_for(message, encoding);
  hint = pg::text_for(hint, encoding);
  std::string bytes;
  pg::append_error_response(bytes,
                            {.severity = "FATAL", .sqlstate = sqlstate, .message = message, .hint = hint});
  auto sending = send_within(std::move(bytes), limits_.startup_ms);
  Result<void> sent = co_await sending;
  co_return false;
}

// The first one is an event at once, those like it are counted.
void PgSession::record_failed_login(std::string_view sqlstate, std::string_view reason) {
  const std::string user = shown_name(user_);
  const bool is_first = shard_.core.failures.is_first(
      {Category::authentication, "postgres_auth_failed", login_->client_addr, user, reason, sqlstate});
  if (!is_first) {
    shard_.core.counters.failures_counted.add();
    return;
  }
  auto failed = event(Category::authentication, "postgres_auth_failed", Severity::warning, Outcome::denied);
  failed.text(Tag::sqlstate, sqlstate);
  failed.text(Tag::reason, reason);
  if (tls_ != nullptr) describe_tls(failed);
  recorder_.publish(std::move(failed));
}

Task<bool> PgSession::refuse_authentication(std::string reason, bool by_certificate) {
  shard_.core.counters.logins_failed.add();
  std::string_view sqlstate =
      by_certificate ? pg::sqlstate::invalid_authorization : pg::sqlstate::invalid_password;
  record_failed_login(sqlstate, reason);
  auto refusing = refuse(sqlstate, std::string(by_certificate ? "certificate" : "password") +
                                       " authentication failed for user \"" + std::string(user_) + "\"");
  co_return co_await refusing;
}

}  // namespace ringfence::proxy
