// What is bound and not executed.
#include "conversation.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

// What ends the group, or asks for its answers: behind it the client knows what came of the Bind. Sync, Query
// and FunctionCall commit it, so that its record stands before they go out.
bool Conversation::settles_binds(char type) const {
  if (unexecuted_.is_empty()) return false;
  switch (type) {
    case from_client::sync:
    case from_client::flush:
    case from_client::query:
    case from_client::function_call:
    case from_client::terminate: return true;
    case from_client::bind: return unexecuted_.is_full();
    default: return false;
  }
}

// False: no room in the trail; what was told stays told.
bool Conversation::record_binds() {
  while (pg::Portal* portal = unexecuted_.first()) {
    pg::StatementText unknown;
    if (!portal->statement) unknown = unknown_text(*portal);
    const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
    if (!recorder_.has_room(
            recorder_.start_bytes(text, portal->parameters.size(), portal->secret_parameters.size()))) {
      return false;
    }
    const std::string_view rule =
        portal->statement ? std::string_view(portal->statement->rule) : std::string_view();
    const pg::StatementNumber number =
        recorder_.start(text, portal->parameters, portal->parameters_truncated, from_client::bind, now_.us,
                        decided_by(rule), {}, portal->secret_parameters);
    queue_.number_bind(*portal, number, now_.ns);
    unexecuted_.drop_first();
  }
  return true;
}

// The session ends, and there may be no room: then each is an event, which is kept until there is.
void Conversation::abandon_binds() {
  if (record_binds()) return;
  while (pg::Portal* portal = unexecuted_.first()) {
    unexecuted_.drop_first();
    if (portal->bind == pg::Portal::Bind::ended) continue;
    auto event = recorder_.event(
        audit::Category::audit, "postgres_bind", audit::Severity::warning,
        portal->bind == pg::Portal::Bind::done ? audit::Outcome::success : audit::Outcome::unknown, now_.us);
    pg::StatementText unknown;
    if (!portal->statement) unknown = unknown_text(*portal);
    const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
    event.text(audit::Tag::statement, text.text);
    event.integer(audit::Tag::statement_bytes, static_cast<int64_t>(text.full_bytes));
    event.text(audit::Tag::message_type, "B");
    recorder_.publish(std::move(event));
  }
}

}  // namespace ringfence::proxy
