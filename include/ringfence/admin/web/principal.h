// Who asks, how that is known, and what he may.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "ringfence/http/request.h"
#include "ringfence/http/response.h"

namespace ringfence::admin {

// Names such as "sessions:read".
class Scopes {
 public:
  static Scopes all() {
    Scopes out;
    out.are_all_ = true;
    return out;
  }
  Scopes() = default;
  explicit Scopes(std::set<std::string, std::less<>> names) : names_(std::move(names)) {}
  bool has(std::string_view name) const { return are_all_ || names_.contains(name); }

 private:
  bool are_all_ = false;
  std::set<std::string, std::less<>> names_;
};

// Default: anonymous, without scopes.
struct Principal {
  std::string name;
  std::string method;  // How it was proved: "admin token". Empty: anonymous.
  Scopes scopes;

  bool is_anonymous() const { return method.empty(); }
};

// From a request's credentials to who asks.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Called for routes that need a scope. Anonymous: the credentials are missing or wrong.
  virtual Principal authenticate(const http::Request& request, const std::string& client_addr) = 0;
  // The 401 for those: it says what is needed.
  virtual http::Response challenge() const = 0;
};

}  // namespace ringfence::admin
