// What a request proves who asks with: one kind of credential, or none. Nothing is checked here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/result.h"
#include "ringfence/http/request.h"
#include "ringfence/model/secret.h"

namespace ringfence::admin {

enum class Proof : uint8_t {
  none,
  admin_token,      // Bearer, and not of an API key's form: the configuration's.
  password,         // Basic.
  api_key,          // X-API-Key, or Bearer of a key's form.
  browser_session,  // The session's cookie.
  other,            // An Authorization of another scheme.
};
// "admin token"; empty for none.
std::string_view name_of(Proof proof);

struct Presented {
  Proof proof = Proof::none;
  bool is_malformed = false;  // It is of this kind, and nobody can have such a one.
  std::string user;           // Of a password.
  model::Secret secret;       // The token, password, key, or the cookie's token.
};

// Fault::conflict: there are several credentials, and which one counts would be a guess. `is_secure`: the
// request came by TLS, under which the cookie has another name.
Result<Presented> presented_in(const http::Request& request, bool is_secure);

}  // namespace ringfence::admin
