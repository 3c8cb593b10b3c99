// The sessions of browsers that have logged in: a table in memory, so that to end one is to forget it.
//
// It belongs to one thread. Times and the address are arguments; nothing here reads a clock. A session is
// known by a token of 256 random bits, of which the table has the SHA-256 only. What always holds: a token
// that find() takes was made by open() or renew(), and its session has neither ended nor expired.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/model/secret.h"

namespace ringfence::auth {

struct BrowserSessionOptions {
  uint64_t life_ms = 12 * 3'600'000;  // From the login on, whatever happens in it: a working day.
  uint64_t idle_ms = 3'600'000;       // Without a request.
  size_t sessions_max = 10'000;       // Some 4 MB. The oldest one goes for a new one.
  size_t per_user_max = 100;          // As before, of one user.
};

// Both clocks (base/clock.h). Sessions expire by the second one: to set the machine's time ends none and
// prolongs none.
struct Now {
  uint64_t wall_us = 0;
  uint64_t mono_ns = 0;
};

struct BrowserSession {
  Uuid id;  // No secret: it names the session to its user and to administrators.
  Uuid user_id;
  std::string client_addr;    // Of the login.
  uint64_t created_us = 0;    // Unix time.
  uint64_t last_seen_us = 0;  // Unix time.
  uint64_t created_ns = 0;
  uint64_t last_seen_ns = 0;
  crypto::Digest token_hash{};
};

struct EndedBrowserSession {
  enum class Why : uint8_t {
    expired,    // Its life or its idle time was over.
    displaced,  // A newer one took its place.
    ended,      // It was ended by its id, or with all of its user's.
  };
  Uuid id;
  Uuid user_id;
  Why why = Why::expired;
};
using EndedBrowserSessions = std::vector<EndedBrowserSession>;

class BrowserSessions {
 public:
  // No option is zero. Fails where the machine has no randomness to give.
  static Result<BrowserSessions> make(BrowserSessionOptions options = {});
  ~BrowserSessions();
  BrowserSessions(BrowserSessions&&) = default;
  BrowserSessions& operator=(BrowserSessions&&) = delete;

  struct Opened {
    Uuid id;
    model::Secret token;  // For the cookie, and for nothing else.
    std::string csrf;     // See csrf_of().
    EndedBrowserSessions displaced;
  };
  // After a login. Fails where the machine has no randomness to give.
  Result<Opened> open(Uuid user_id, std::string client_addr, Now now);
  // The session of a token, which is seen now; null: there is none. Valid until the table changes. An expired
  // one is not found either; expire() takes it away.
  const BrowserSession* find(std::string_view token, Now now);
  // Another token for a session, as after a change of the password; the old one is of no use from here on.
  // Its life does not begin anew. Fault::not_found: no such session.
  Result<Opened> renew(Uuid id, Now now);

  // What a page sends with each request that changes something, in a header: only who can read the page knows
  // it. HMAC-SHA-256 of the token's hash under a key of the table's; another one for another token.
  std::string csrf_of(const BrowserSession& session) const;
  bool fits_csrf(const BrowserSession& session, std::string_view csrf) const;

  // Nothing: there is no such session.
  std::optional<EndedBrowserSession> end(Uuid id);
  // All of a user's, but for `except`.
  EndedBrowserSessions end_all_of(Uuid user_id, std::optional<Uuid> except = std::nullopt);
  // Takes away what has expired: to be called about once a minute. It looks at each session.
  EndedBrowserSessions expire(Now now);

  size_t size() const { return sessions_.size(); }
  // Oldest first; of one user, or all.
  std::vector<const BrowserSession*> list(std::optional<Uuid> user_id = std::nullopt) const;
  const BrowserSessionOptions& options() const { return options_; }

 private:
  using Sessions = std::list<BrowserSession>;

  BrowserSessions(BrowserSessionOptions options, const crypto::Digest& csrf_key);
  bool has_expired(const BrowserSession& session, uint64_t now_ns) const;
  Result<model::Secret> give_token(Sessions::iterator session);
  Sessions::iterator by_id(Uuid id);
  Sessions::iterator take_away(Sessions::iterator session);
  EndedBrowserSessions make_room(Uuid user_id);

  BrowserSessionOptions options_;
  crypto::Digest csrf_key_;
  Sessions sessions_;  // Oldest first.
  // By the first 8 bytes of the token's hash; the whole is compared in constant time.
  std::unordered_map<uint64_t, Sessions::iterator> by_token_;
};

}  // namespace ringfence::auth
