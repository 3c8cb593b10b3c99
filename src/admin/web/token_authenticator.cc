#include "ringfence/admin/web/token_authenticator.h"

#include "ringfence/crypto/secret.h"

namespace ringfence::admin {

Principal TokenAuthenticator::authenticate(const http::Request& request, const std::string& client_addr) {
  constexpr std::string_view scheme = "Bearer ";
  const std::string* header = request.header("Authorization");
  bool is_there = header != nullptr && request.count("Authorization") == 1 &&
                  header->size() > scheme.size() &&
                  http::equals_ignoring_case(std::string_view(*header).substr(0, scheme.size()), scheme);
  if (is_there) {
    std::string_view token = std::string_view(*header).substr(scheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    crypto::Digest digest = crypto::sha256(token);
    if (crypto::constant_time_equal(crypto::view_of(digest), crypto::view_of(token_digest_)))
      return {"admin", "admin token", Scopes::all()};
  }
  ++counters_.authentication_failures;
  if (failed_) failed_({client_addr, request.method, request.path, is_there ? "wrong" : "missing"});
  return {};
}

http::Response TokenAuthenticator::challenge() const {
  http::Response response =
      http::problem(401, "this needs the administrator's token: Authorization: Bearer …");
  response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"ringfence\""});
  return response;
}

}  // namespace ringfence::admin
