// Who asks, how that is known, and what he may.
#pragma once

#include <optional>
#include <string>

#include "ringfence/auth/scopes.h"
#include "ringfence/base/uuid.h"
#include "ringfence/http/request.h"
#include "ringfence/http/response.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

// Default: anonymous, without scopes.
struct Principal {
  std::string name;
  std::string method;  // How it was proved: "admin token", "password". Empty: anonymous.
  Uuid user_id;        // Nil: no user of the store.
  auth::Scopes scopes;
  bool must_change_password = false;    // Until then only routes for that are open (Admits::password_due).
  std::optional<Uuid> browser_session;  // By which it was proved.
  Uuid key_id;                          // Likewise, an API key; nil: none.
  std::string key_prefix;

  bool is_anonymous() const { return method.empty(); }
};

struct Authentication {
  Principal principal;     // Anonymous: `refusal` is the answer.
  http::Response refusal;  // It says what is needed: 401; or why nothing is known: 400, 403, 503.
};

// From a request's credentials to who asks.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Called for routes that need a proof. The request and the address live until the task has ended; it ends
  // by a deadline of its own.
  virtual ring::Task<Authentication> authenticate(const http::Request& request,
                                                  const std::string& client_addr) = 0;
  // Whether the principal may still all that he could when he proved who he is.
  virtual bool holds(const Principal& principal) const {
    (void)principal;
    return true;
  }
};

}  // namespace ringfence::admin
