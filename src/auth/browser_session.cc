#include "ringfence/auth/browser_session.h"

#include "digest_place.h"

#include <cstring>

#include "ringfence/crypto/secret.h"
#include "token_text.h"

namespace ringfence::auth {
namespace {

// Clocks of two threads may differ by a turn.
uint64_t since(uint64_t begin, uint64_t now) { return now > begin ? now - begin : 0; }

Result<Uuid> new_id(uint64_t now_us) {
  auto random = crypto::random_array<sizeof(uint64_t)>();
  if (!random) return unexpected(random.error());
  uint64_t bits;
  std::memcpy(&bits, random->data(), sizeof bits);
  return uuid_v7(now_us, bits);
}

}  // namespace

Result<BrowserSessions> BrowserSessions::make(BrowserSessionOptions options) {
  RINGFENCE_ASSERT(options.life_ms > 0 && options.idle_ms > 0);
  RINGFENCE_ASSERT(options.sessions_max > 0 && options.per_user_max > 0);
  auto key = crypto::random_array<sizeof(crypto::Digest)>();
  if (!key) return unexpected(key.error());
  BrowserSessions out(options, *key);
  crypto::secure_zero(*key);
  return out;
}

BrowserSessions::BrowserSessions(BrowserSessionOptions options, const crypto::Digest& csrf_key)
    : options_(options), csrf_key_(csrf_key) {}

BrowserSessions::~BrowserSessions() { crypto::secure_zero(csrf_key_); }

bool BrowserSessions::has_expired(const BrowserSession& session, uint64_t now_ns) const {
  return since(session.created_ns, now_ns) >= options_.life_ms * 1'000'000 ||
         since(session.last_seen_ns, now_ns) >= options_.idle_ms * 1'000'000;
}

// In place of the one that it has, if any.
Result<model::Secret> BrowserSessions::give_token(Sessions::iterator session) {
  crypto::Digest hash;
  std::string text;
  do {
    auto bytes = crypto::random_array<sizeof(crypto::Digest)>();
    if (!bytes) return unexpected(bytes.error());
    text = token_text(*bytes);
    crypto::secure_zero(*bytes);
    hash = crypto::sha256(text);
  } while (by_token_.contains(place_of(hash)));  // Two places in 2^64.
  if (auto old = by_token_.find(place_of(session->token_hash));
      old != by_token_.end() && old->second == session)
    by_token_.erase(old);
  session->token_hash = hash;
  by_token_.emplace(place_of(hash), session);
  model::Secret out(text);
  crypto::secure_zero(text);
  return out;
}

Result<BrowserSessions::Opened> BrowserSessions::open(Uuid user_id, std::string client_addr, Now now) {
  auto id = new_id(now.wall_us);
  if (!id) return unexpected(id.error());
  Opened out;
  BrowserSession session{*id,         user_id,    std::move(client_addr), now.wall_us, now.wall_us,
                         now.mono_ns, now.mono_ns};
  const auto place = sessions_.insert(sessions_.end(), std::move(session));
  auto token = give_token(place);
  if (!token) {
    sessions_.erase(place);
    return unexpected(token.error());
  }
  out.id = *id;
  out.token = std::move(*token);
  out.csrf = csrf_of(*place);
  out.displaced = make_room(user_id);
  return out;
}

Result<BrowserSessions::Opened> BrowserSessions::renew(Uuid id, Now now) {
  const auto session = by_id(id);
  if (session == sessions_.end() || has_expired(*session, now.mono_ns))
    return fail(Fault::not_found, "no such browser session");
  auto token = give_token(session);
  if (!token) return unexpected(token.error());
  Opened out;
  out.id = id;
  out.token = std::move(*token);
  out.csrf = csrf_of(*session);
  return out;
}

const BrowserSession* BrowserSessions::find(std::string_view token, Now now) {
  if (!is_token_text(token)) return nullptr;
  const crypto::Digest hash = crypto::sha256(token);
  const auto found = by_token_.find(place_of(hash));
  if (found == by_token_.end()) return nullptr;
  BrowserSession& session = *found->second;
  if (!crypto::constant_time_equal(crypto::view_of(hash), crypto::view_of(session.token_hash)))
    return nullptr;
  if (has_expired(session, now.mono_ns)) return nullptr;
  session.last_seen_us = now.wall_us;
  session.last_seen_ns = std::max(session.last_seen_ns, now.mono_ns);
  return &session;
}

std::string BrowserSessions::csrf_of(const BrowserSession& session) const {
  const std::string message = std::string("ringfence csrf 1 ").append(crypto::view_of(session.token_hash));
  return token_text(crypto::hmac_sha256(crypto::view_of(csrf_key_), message));
}

bool BrowserSessions::fits_csrf(const BrowserSession& session, std::string_view csrf) const {
  return crypto::constant_time_equal(csrf_of(session), csrf);
}

// The newest session is of this user and stays.
EndedBrowserSessions BrowserSessions::make_room(Uuid user_id) {
  EndedBrowserSessions out;
  const auto displace = [&](Sessions::iterator session) {
    out.push_back({session->id, session->user_id, EndedBrowserSession::Why::displaced});
    take_away(session);
  };
  const auto is_own = [&](const BrowserSession& session) { return session.user_id == user_id; };
  if (static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), is_own)) > options_.per_user_max)
    displace(std::find_if(sessions_.begin(), sessions_.end(), is_own));
  if (sessions_.size() > options_.sessions_max) displace(sessions_.begin());
  return out;
}

BrowserSessions::Sessions::iterator BrowserSessions::by_id(Uuid id) {
  return std::find_if(sessions_.begin(), sessions_.end(),
                      [&](const BrowserSession& session) { return session.id == id; });
}

BrowserSessions::Sessions::iterator BrowserSessions::take_away(Sessions::iterator session) {
  by_token_.erase(place_of(session->token_hash));
  return sessions_.erase(session);
}

std::optional<EndedBrowserSession> BrowserSessions::end(Uuid id) {
  const auto session = by_id(id);
  if (session == sessions_.end()) return std::nullopt;
  const EndedBrowserSession out{id, session->user_id, EndedBrowserSession::Why::ended};
  take_away(session);
  return out;
}

EndedBrowserSessions BrowserSessions::end_all_of(Uuid user_id, std::optional<Uuid> except) {
  EndedBrowserSessions out;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if (session->user_id != user_id || session->id == except) {
      ++session;
      continue;
    }
    out.push_back({session->id, user_id, EndedBrowserSession::Why::ended});
    session = take_away(session);
  }
  return out;
}

EndedBrowserSessions BrowserSessions::expire(Now now) {
  EndedBrowserSessions out;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if (!has_expired(*session, now.mono_ns)) {
      ++session;
      continue;
    }
    out.push_back({session->id, session->user_id, EndedBrowserSession::Why::expired});
    session = take_away(session);
  }
  return out;
}

std::vector<const BrowserSession*> BrowserSessions::list(std::optional<Uuid> user_id) const {
  std::vector<const BrowserSession*> out;
  for (const BrowserSession& session : sessions_)
    if (!user_id || session.user_id == *user_id) out.push_back(&session);
  return out;
}

}  // namespace ringfence::auth
