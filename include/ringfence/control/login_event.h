// Logins to the API and what becomes of them, for the trail.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/audit/event.h"
#include "ringfence/base/uuid.h"

namespace ringfence::control {

// What has happened, not what was asked for: failed logins are counted with the other failed proofs.
struct LoginEvent {
  enum class Kind : uint8_t {
    login,              // By name and password, for a browser session.
    logout,             // The user has ended his session.
    password_change,    // By the user himself; `reason` says why not.
    session_created,    // A browser session, by a login.
    session_refreshed,  // Its token is another one.
    session_expired,    // It ended without its user's word; `reason` says why.
  };
  Kind kind = Kind::login;
  bool is_denied = false;
  std::string user;
  std::string method;  // How he was proved.
  std::string client_addr;
  Uuid user_id;
  Uuid browser_session;  // Nil: the event is of none.
  std::string reason;
};

// Of category authentication; its entity is the browser session, or else the user.
audit::EventBuilder event_of(const LoginEvent& event);

}  // namespace ringfence::control
