// A Cookie header. A token that is found is a part of it and stands there once, as this appliance writes it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/auth/session_cookie.h"
#include "ringfence/base/bytes.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(ByteView cookies, bool is_secure) {
  auto token = session_token_in(cookies, is_secure);
  if (!token) return;
  require(cookies.size() <= cookies_bytes_max && token->size() == 43);
  require(token->data() >= cookies.data() &&
          token->data() + token->size() <= cookies.data() + cookies.size());
  const std::string pair = std::string(session_cookie_name(is_secure)).append("=").append(*token);
  require(cookies.find(pair) != ByteView::npos);
  // Beside itself it is ambiguous; in our own words it is found.
  require(!session_token_in(std::string(cookies).append("; ").append(pair), is_secure));
  const std::string written = session_cookie(*token, 60, is_secure);
  auto again = session_token_in(written, is_secure);
  require(again.has_value() && *again == *token);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  check(bytes, false);
  check(bytes, true);
  return 0;
}
