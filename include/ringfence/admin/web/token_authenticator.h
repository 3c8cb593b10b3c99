// The administrator's token: `Authorization: Bearer …`. Who has it has all scopes.
#pragma once

#include <functional>
#include <string>

#include "ringfence/admin/web/counters.h"
#include "ringfence/admin/web/principal.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::admin {

struct AuthenticationFailure {
  std::string client_addr;
  std::string method;
  std::string path;
  std::string reason;  // "missing" or "wrong".
};

class TokenAuthenticator final : public Authenticator {
 public:
  using Failed = std::function<void(const AuthenticationFailure&)>;

  // Digests are compared, so neither the token's length nor its contents show in the time. `failed` may be
  // empty; `counters` outlives this.
  TokenAuthenticator(const crypto::Digest& token_digest, AdminCounters& counters, Failed failed)
      : token_digest_(token_digest), counters_(counters), failed_(std::move(failed)) {}
  // Takes effect with the next request.
  void set_token_digest(const crypto::Digest& digest) { token_digest_ = digest; }

  Principal authenticate(const http::Request& request, const std::string& client_addr) override;
  http::Response challenge() const override;

 private:
  crypto::Digest token_digest_;
  AdminCounters& counters_;
  Failed failed_;
};

}  // namespace ringfence::admin
