// From a request's credentials to who asks: the configuration's token, a user's password, an API key, or the
// session of a browser that has logged in.
//
// Users, their passwords and keys are what the control plane has in force at that moment. Failures are
// counted and reported, and answered alike: the client does not learn which part was wrong.
#pragma once

#include <string>

#include "browser_logins.h"
#include "credentials.h"
#include "ringfence/admin/api/admin_server.h"
#include "ringfence/admin/web/ask.h"
#include "ringfence/admin/web/principal.h"

namespace ringfence::admin {

// A password that was checked, and whose it is.
struct CheckedPassword {
  auth::PasswordVerdict verdict = auth::PasswordVerdict::busy;
  control::InForcePtr in_force;              // Holds the user.
  const control::UserFacts* user = nullptr;  // Where it was right.
};

class ApiAuthenticator final : public Authenticator {
 public:
  // What is referred to outlives it.
  ApiAuthenticator(ring::Shard& shard, const AdminOptions& options, const Sources& sources,
                   AdminCounters& counters, Asks& asks, BrowserLogins& logins)
      : shard_(shard),
        options_(options),
        sources_(sources),
        counters_(counters),
        asks_(asks),
        logins_(logins),
        token_digest_(options.token_digest) {}
  // Both take effect with the next request. Secure: requests come by TLS alone.
  void set_token_digest(const crypto::Digest& digest) { token_digest_ = digest; }
  void set_secure(bool is_secure) { is_secure_ = is_secure; }
  bool is_secure() const { return is_secure_; }

  ring::Task<Authentication> authenticate(const http::Request& request,
                                          const std::string& client_addr) override;

  bool holds(const Principal& principal) const override;

  // Null: there are no users.
  control::InForcePtr in_force() const;
  // Late ones are `busy`. A user who changed while it was checked is wrong.
  ring::Task<CheckedPassword> check_password(std::string user, model::Secret password);
  // Counted, and told to the trail.
  void report(const http::Request& request, const std::string& client_addr, AuthenticationFailure failure);

 private:
  Authentication by_token(const http::Request& request, const std::string& client_addr,
                          const Presented& presented);
  Authentication by_key(const http::Request& request, const std::string& client_addr,
                        const Presented& presented);
  Authentication by_session(const http::Request& request, const std::string& client_addr,
                            const Presented& presented);
  ring::Task<Authentication> by_password(const http::Request& request, const std::string& client_addr,
                                         Presented presented);
  bool is_admin_token(const Presented& presented) const;
  Authentication refused(const http::Request& request, const std::string& client_addr,
                         AuthenticationFailure failure);

  ring::Shard& shard_;
  const AdminOptions& options_;
  const Sources& sources_;
  AdminCounters& counters_;
  Asks& asks_;
  BrowserLogins& logins_;
  crypto::Digest token_digest_;
  bool is_secure_ = false;
};

// 503, with when to come again.
http::Response come_again(std::string_view why, std::string_view instance);

}  // namespace ringfence::admin
