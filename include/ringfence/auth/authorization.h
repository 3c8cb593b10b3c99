// The Authorization header of HTTP (RFC 9110, section 11.6.2): Basic (RFC 7617) and Bearer (RFC 6750).
//
// Strict: what could be read in two ways is refused, because a proxy in front may read it in the other one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "ringfence/base/result.h"
#include "ringfence/model/secret.h"

namespace ringfence::auth {

// Of the header's value. A bearer token that is signed and names groups has some thousand bytes.
inline constexpr size_t authorization_bytes_max = 8 * 1024;

struct BasicCredentials {
  std::string user;  // As model::check_identifier() takes names, without a colon.
  model::Secret
      password;  // At most model::password_bytes_max bytes of valid text without control characters.
};
struct BearerToken {
  model::Secret text;  // token68, at least one character.
};
using Credentials = std::variant<BasicCredentials, BearerToken>;

// `value` is the header's, without blanks around it. Fault::not_found: another scheme; Fault::malformed: the
// scheme is one of these and the rest is wrong; Fault::limit: too long. No message contains a part of the
// value.
Result<Credentials> parse_authorization(std::string_view value);

}  // namespace ringfence::auth
