// The first line is a user's name, the rest a password that is to be set. One that is taken holds to the
// rules, and what is said of another one has a bound.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/auth/password_rules.h"
#include "ringfence/base/utf8.h"
#include "ringfence/model/text_rules.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(bytes.find('\n'), bytes.size());
  const ByteView user = bytes.substr(0, line);
  const ByteView password = bytes.substr(std::min(line + 1, bytes.size()));
  const std::string wrong = check_new_password(password, user);
  require(wrong.size() < 200);
  if (!wrong.empty()) return 0;
  require(is_valid_text(password) && !model::has_control(password));
  require(password.size() >= password_characters_min && password.size() <= model::password_bytes_max);
  require(user.empty() || password != user);
  require(std::any_of(password.begin(), password.end(), [&](char c) { return c != password.front(); }));
  // The rules do not hang on who asks first.
  require(check_new_password(password, user).empty());
  return 0;
}
