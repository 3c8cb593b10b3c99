#include "ringfence/control/login_event.h"

#include "ringfence/control/events.h"

namespace ringfence::control {

using audit::Tag;

namespace {

std::string_view action_of(LoginEvent::Kind kind) {
  switch (kind) {
    case LoginEvent::Kind::login: return "login";
    case LoginEvent::Kind::logout: return "logout";
    case LoginEvent::Kind::password_change: return "password_change";
    case LoginEvent::Kind::session_created: return "session_created";
    case LoginEvent::Kind::session_refreshed: return "session_refreshed";
    case LoginEvent::Kind::session_expired: break;
  }
  return "session_expired";
}

}  // namespace

audit::EventBuilder event_of(const LoginEvent& event) {
  audit::EventBuilder out = new_event(
      action_of(event.kind), event.is_denied ? audit::Severity::warning : audit::Severity::info,
      event.is_denied ? audit::Outcome::denied : audit::Outcome::success, audit::Category::authentication);
  out.text(Tag::user_name, event.user).text(Tag::auth_method, event.method);
  if (!event.client_addr.empty()) out.text(Tag::client_addr, event.client_addr);
  const bool is_of_session = !event.browser_session.is_nil();
  out.text(Tag::entity_type, is_of_session ? "browser_session" : "user");
  out.text(Tag::entity_id, to_string(is_of_session ? event.browser_session : event.user_id));
  if (!event.reason.empty()) out.text(Tag::reason, event.reason);
  return out;
}

}  // namespace ringfence::control
