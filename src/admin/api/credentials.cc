#include "credentials.h"

#include "ringfence/auth/api_key.h"
#include "ringfence/auth/authorization.h"
#include "ringfence/auth/session_cookie.h"

namespace ringfence::admin {

namespace {

constexpr std::string_view bearer = "Bearer ";

Presented of_bearer(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  Presented out;
  out.proof = auth::api_key_prefix(text) ? Proof::api_key : Proof::admin_token;
  out.secret = model::Secret(text);
  return out;
}

// The configuration's token may have characters that no token68 has: Bearer is taken as it is.
Presented of_authorization(std::string_view value) {
  if (http::equals_ignoring_case(value.substr(0, bearer.size()), bearer))
    return of_bearer(value.substr(bearer.size()));
  Presented out;
  auto parsed = auth::parse_authorization(value);
  if (!parsed) {
    const bool is_basic = http::equals_ignoring_case(value.substr(0, 5), "Basic");
    out.proof = is_basic                                                   ? Proof::password
                : http::equals_ignoring_case(value.substr(0, 6), "Bearer") ? Proof::admin_token
                                                                           : Proof::other;
    out.is_malformed = true;
    return out;
  }
  auto* basic = std::get_if<auth::BasicCredentials>(&*parsed);
  if (basic == nullptr) return of_bearer(std::get<auth::BearerToken>(*parsed).text.reveal());
  out.proof = Proof::password;
  out.user = std::move(basic->user);
  out.secret = std::move(basic->password);
  return out;
}

}  // namespace

std::string_view name_of(Proof proof) {
  switch (proof) {
    case Proof::none: return "";
    case Proof::admin_token: return "admin token";
    case Proof::password: return "password";
    case Proof::api_key: return "api key";
    case Proof::browser_session: return "browser session";
    case Proof::other: break;
  }
  return "other scheme";
}

Result<Presented> presented_in(const http::Request& request, bool is_secure) {
  for (const char* name : {"Authorization", "X-API-Key", "Cookie"}) {
    if (request.count(name) > 1) return fail(Fault::conflict, std::string(name) + " is given more than once");
  }
  Presented out;
  int kinds = 0;
  if (const std::string* header = request.header("Authorization")) {
    out = of_authorization(*header);
    ++kinds;
  }
  if (const std::string* header = request.header("X-API-Key")) {
    out = {};
    out.proof = Proof::api_key;
    out.is_malformed = !auth::api_key_prefix(*header);
    out.secret = model::Secret(*header);
    ++kinds;
  }
  if (const std::string* header = request.header("Cookie")) {
    auto token = auth::session_token_in(*header, is_secure);
    const bool is_there = token || token.error().fault != Fault::not_found;
    if (is_there) {
      out = {};
      out.proof = Proof::browser_session;
      out.is_malformed = !token;
      if (token) out.secret = model::Secret(*token);
      ++kinds;
    }
  }
  if (kinds > 1) return fail(Fault::conflict, "there is more than one kind of credential; send one");
  return out;
}

}  // namespace ringfence::admin
