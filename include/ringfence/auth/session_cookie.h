// The cookie of a browser session (RFC 6265; the prefix `__Host-`: RFC 6265bis, section 4.1.3.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/result.h"

namespace ringfence::auth {

// Of the Cookie header's value: a browser sends what other servers on the same host have set, too.
inline constexpr size_t cookies_bytes_max = 8 * 1024;

// By TLS it is `__Host-ringfence_session`: browsers take that name only with Secure, from this host, for all
// paths, so that nobody who speaks for a subdomain or without TLS can put a cookie of his own in its place.
std::string_view session_cookie_name(bool is_secure);
// The value of Set-Cookie. `token` is BrowserSessions' own; `life_s` is how long the session may last. No
// script sees the cookie, and no request that another site begins carries it.
std::string session_cookie(std::string_view token, uint64_t life_s, bool is_secure);
// The value of Set-Cookie that takes it away.
std::string session_cookie_removal(bool is_secure);

// The token in the value of a Cookie header, as a part of it. Pairs are separated by "; ". Fault::not_found:
// no such cookie; Fault::malformed: it stands twice, or its value is no token; Fault::limit: too long. What
// other cookies look like does not matter.
Result<std::string_view> session_token_in(std::string_view cookies, bool is_secure);

}  // namespace ringfence::auth
