// The browser sessions of the API, whose users they are, and their events.
//
// A session is its user's while he may log in and his password is the one of his login: whoever finds it
// looks that up (is_current). On the shard's thread only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "ringfence/auth/browser_session.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/login_event.h"
#include "ringfence/ring/shard.h"

namespace ringfence::admin {

class BrowserLogins {
 public:
  using Told = std::function<void(const control::LoginEvent&)>;
  // `told` may be empty.
  BrowserLogins(ring::Shard& shard, Told told);

  struct Login {
    Uuid id;
    Uuid user_id;
    std::string user;
    std::string client_addr;  // Of the login.
    uint64_t password_set_us = 0;
    uint64_t expires_us = 0;  // Unix time, whatever happens in it.
    std::string csrf;
  };
  struct Opened {
    const Login& login;
    model::Secret token;
  };
  // After a login. Nothing: the machine has no randomness to give.
  std::optional<Opened> open(const control::UserFacts& user, const std::string& client_addr);
  // Another token, for the user as he is now; as after a change of his password.
  std::optional<Opened> renew(const Uuid& id, const control::UserFacts& user);
  // Null: there is none. It is seen now.
  const Login* find(std::string_view token);
  const Login* by_id(const Uuid& id) const;
  bool fits_csrf(const Login& login, std::string_view csrf) const;
  static bool is_current(const Login& login, const control::UserFacts& user) {
    return login.user_id == user.id && login.password_set_us == user.password_set_us;
  }

  void log_out(const Uuid& id);
  // Without its user's word; `reason` for the trail.
  void end(const Uuid& id, const std::string& reason);
  void end_others(const Uuid& user_id, std::optional<Uuid> except, const std::string& reason);
  size_t size() const { return logins_.size(); }
  uint64_t life_s() const { return options_.life_ms / 1'000; }

 private:
  auth::Now now() const { return {shard_.now_us(), shard_.now_ns()}; }
  void tell(control::LoginEvent::Kind kind, const Login& login, const std::string& reason = "");
  void forget(const auth::EndedBrowserSessions& ended, const std::string& reason);
  void look();

  ring::Shard& shard_;
  Told told_;
  auth::BrowserSessionOptions options_;
  std::optional<auth::BrowserSessions> sessions_;  // Nothing: no randomness yet.
  std::map<Uuid, Login> logins_;                   // Of each session of the table.
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::admin
