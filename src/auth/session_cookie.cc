#include "ringfence/auth/session_cookie.h"

#include <algorithm>
#include <optional>

#include "token_text.h"

namespace ringfence::auth {

std::string_view session_cookie_name(bool is_secure) {
  return is_secure ? "__Host-ringfence_session" : "ringfence_session";
}

std::string session_cookie(std::string_view token, uint64_t life_s, bool is_secure) {
  RINGFENCE_ASSERT(is_token_text(token));
  std::string out(session_cookie_name(is_secure));
  out.append("=").append(token).append("; Max-Age=").append(std::to_string(life_s));
  return out.append("; HttpOnly; SameSite=Strict; Path=/").append(is_secure ? "; Secure" : "");
}

std::string session_cookie_removal(bool is_secure) {
  std::string out(session_cookie_name(is_secure));
  return out.append("=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/").append(is_secure ? "; Secure" : "");
}

Result<std::string_view> session_token_in(std::string_view cookies, bool is_secure) {
  if (cookies.size() > cookies_bytes_max) return fail(Fault::limit, "Cookie is too long");
  const std::string_view name = session_cookie_name(is_secure);
  std::optional<std::string_view> found;
  while (!cookies.empty()) {
    const size_t end = std::min(cookies.find("; "), cookies.size());
    std::string_view pair = cookies.substr(0, end);
    cookies.remove_prefix(std::min(end + 2, cookies.size()));
    if (!pair.starts_with(name) || pair.substr(name.size(), 1) != "=") continue;
    // A browser that has two of them was given one by somebody else.
    if (found) return fail(Fault::malformed, "the session's cookie stands twice");
    found = pair.substr(name.size() + 1);
  }
  if (!found) return fail(Fault::not_found, "no session's cookie");
  if (!is_token_text(*found)) return fail(Fault::malformed, "the session's cookie is no token");
  return *found;
}

}  // namespace ringfence::auth
