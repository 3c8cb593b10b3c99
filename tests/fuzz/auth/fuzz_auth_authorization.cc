// An Authorization header. What comes out holds to its bounds, and written again it is read as the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/auth/api_key.h"
#include "ringfence/auth/authorization.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/utf8.h"
#include "ringfence/model/text_rules.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const BasicCredentials& basic) {
  require(!basic.user.empty() && basic.user.size() <= 63);
  require(basic.user.find(':') == std::string::npos);
  require(basic.password.size() <= model::password_bytes_max);
  const std::string text = basic.user + ":" + std::string(basic.password.reveal());
  require(is_valid_text(text) && !model::has_control(text));
  auto again = parse_authorization("Basic " + base64_encode(text));
  require(again.has_value());
  const auto& same = std::get<BasicCredentials>(*again);
  require(same.user == basic.user && same.password.reveal() == basic.password.reveal());
}

void check(const BearerToken& bearer) {
  require(!bearer.text.empty() && bearer.text.size() <= authorization_bytes_max);
  require(bearer.text.reveal().find_first_of(std::string_view(" \t\r\n\0,\"", 7)) == std::string_view::npos);
  if (auto prefix = api_key_prefix(bearer.text.reveal())) require(is_api_key_prefix(*prefix));
  auto again = parse_authorization(std::string("bearer ").append(bearer.text.reveal()));
  require(again.has_value() || bearer.text.size() + 7 > authorization_bytes_max);
  if (again) require(std::get<BearerToken>(*again).text.reveal() == bearer.text.reveal());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  auto parsed = parse_authorization(bytes);
  if (!parsed) return 0;
  std::visit([](const auto& credentials) { check(credentials); }, *parsed);
  return 0;
}
