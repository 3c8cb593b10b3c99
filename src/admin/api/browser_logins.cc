#include "browser_logins.h"

#include "ringfence/crypto/secret.h"

namespace ringfence::admin {

using Kind = control::LoginEvent::Kind;

namespace {
constexpr uint64_t look_ns = 60'000'000'000;
}

BrowserLogins::BrowserLogins(ring::Shard& shard, Told told)
    : shard_(shard), told_(std::move(told)), timer_(shard.timers(), [this] { look(); }) {}

void BrowserLogins::tell(Kind kind, const Login& login, const std::string& reason) {
  if (!told_) return;
  control::LoginEvent event;
  event.kind = kind;
  event.user = login.user;
  event.method = "browser session";
  event.client_addr = login.client_addr;
  event.user_id = login.user_id;
  event.browser_session = login.id;
  event.reason = reason;
  told_(event);
}

std::optional<BrowserLogins::Opened> BrowserLogins::open(const control::UserFacts& user,
                                                         const std::string& client_addr) {
  if (!sessions_) {
    auto made = auth::BrowserSessions::make(options_);
    if (!made) return std::nullopt;
    sessions_.emplace(std::move(*made));
  }
  auto opened = sessions_->open(user.id, client_addr, now());
  if (!opened) return std::nullopt;
  forget(opened->displaced, "a newer session took its place");
  Login login{opened->id,
              user.id,
              user.name,
              client_addr,
              user.password_set_us,
              shard_.now_us() + options_.life_ms * 1'000,
              opened->csrf};
  const auto place = logins_.insert_or_assign(opened->id, std::move(login)).first;
  tell(Kind::session_created, place->second);
  if (!timer_.is_armed()) timer_.arm(shard_.now_ns() + look_ns);
  return Opened{place->second, std::move(opened->token)};
}

std::optional<BrowserLogins::Opened> BrowserLogins::renew(const Uuid& id, const control::UserFacts& user) {
  const auto login = logins_.find(id);
  if (login == logins_.end() || login->second.user_id != user.id) return std::nullopt;
  auto renewed = sessions_->renew(id, now());
  if (!renewed) return std::nullopt;
  login->second.csrf = renewed->csrf;
  login->second.password_set_us = user.password_set_us;
  tell(Kind::session_refreshed, login->second);
  return Opened{login->second, std::move(renewed->token)};
}

const BrowserLogins::Login* BrowserLogins::find(std::string_view token) {
  if (!sessions_) return nullptr;
  const auth::BrowserSession* session = sessions_->find(token, now());
  return session == nullptr ? nullptr : by_id(session->id);
}

const BrowserLogins::Login* BrowserLogins::by_id(const Uuid& id) const {
  const auto found = logins_.find(id);
  return found == logins_.end() ? nullptr : &found->second;
}

bool BrowserLogins::fits_csrf(const Login& login, std::string_view csrf) const {
  return crypto::constant_time_equal(login.csrf, csrf);
}

void BrowserLogins::log_out(const Uuid& id) {
  const auto login = logins_.find(id);
  if (login == logins_.end()) return;
  sessions_->end(id);
  tell(Kind::logout, login->second);
  logins_.erase(login);
}

void BrowserLogins::end(const Uuid& id, const std::string& reason) {
  if (!sessions_) return;
  if (const auto ended = sessions_->end(id)) forget({*ended}, reason);
}

void BrowserLogins::end_others(const Uuid& user_id, std::optional<Uuid> except, const std::string& reason) {
  if (sessions_) forget(sessions_->end_all_of(user_id, except), reason);
}

void BrowserLogins::forget(const auth::EndedBrowserSessions& ended, const std::string& reason) {
  for (const auth::EndedBrowserSession& session : ended) {
    const auto login = logins_.find(session.id);
    if (login == logins_.end()) continue;
    tell(Kind::session_expired, login->second, reason);
    logins_.erase(login);
  }
}

void BrowserLogins::look() {
  forget(sessions_->expire(now()), "its time was over");
  if (!logins_.empty()) timer_.arm(shard_.now_ns() + look_ns);
}

}  // namespace ringfence::admin
