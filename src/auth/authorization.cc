#include "ringfence/auth/authorization.h"

#include <algorithm>

#include "ringfence/base/base64.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/http/text.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::auth {
namespace {

// RFC 9110, section 11.2.
bool is_token68(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

// Of the decoded text, which the caller overwrites.
Result<BasicCredentials> split_basic(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return fail(Fault::malformed, "Basic credentials without a colon");
  const std::string_view user = text.substr(0, colon);
  const std::string_view password = text.substr(colon + 1);
  if (!model::check_identifier(user).empty())
    return fail(Fault::malformed, "Basic credentials with a name that nobody can have");
  if (password.size() > model::password_bytes_max)
    return fail(Fault::limit, "Basic credentials with a password of more than 1024 bytes");
  // RFC 7617, section 2: neither may hold control characters.
  if (!is_valid_text(password) || model::has_control(password))
    return fail(Fault::malformed, "Basic credentials with a password that is no text");
  return BasicCredentials{std::string(user), model::Secret(password)};
}

Result<BasicCredentials> parse_basic(std::string_view base64) {
  auto text = base64_decode(base64);
  if (!text) return fail(Fault::malformed, "Basic credentials that are not base64");
  auto out = split_basic(*text);
  crypto::secure_zero(*text);
  return out;
}

}  // namespace

Result<Credentials> parse_authorization(std::string_view value) {
  if (value.size() > authorization_bytes_max) return fail(Fault::limit, "Authorization is too long");
  const size_t blank = std::min(value.find(' '), value.size());
  const std::string_view scheme = value.substr(0, blank);
  std::string_view rest = value.substr(blank);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const bool is_basic = http::equals_ignoring_case(scheme, "Basic");
  if (!is_basic && !http::equals_ignoring_case(scheme, "Bearer"))
    return fail(Fault::not_found, "an Authorization scheme other than Basic and Bearer");
  if (is_basic) {
    auto basic = parse_basic(rest);
    if (!basic) return unexpected(basic.error());
    return std::move(*basic);
  }
  if (!is_token68(rest)) return fail(Fault::malformed, "a Bearer token with characters that no token has");
  return BearerToken{model::Secret(rest)};
}

}  // namespace ringfence::auth
