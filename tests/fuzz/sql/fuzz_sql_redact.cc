// The input is put around statements with a secret. The secret may not show in the result, nor in that of a text that
// is cut off behind it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/sql/lex.h"
#include "ringfence/sql/redact.h"

using namespace ringfence::sql;

namespace {

constexpr std::string_view secret = "Zq7hunter2";

void check(const std::string& text) {
  auto out = redact(text);
  if (out && out->size() > text.size() + 3 * text.size()) std::abort();
  if (out.value_or(text).find(secret) != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') != std::string_view::npos || size > 4096 || text.find(secret) != std::string_view::npos) return 0;
  auto out = redact(text);
  if (out && !needs_redaction(text)) std::abort();

  // Before the secret only text that leaves no literal, name or comment open.
  Lexer lexer(text);
  Token token = lexer.next();
  for (; token.kind != TokenKind::end && token.is_terminated; token = lexer.next()) {
  }
  if (token.kind != TokenKind::end || !lexer.comments_are_terminated()) return 0;
  const std::string before = std::string(text) + "\n;";
  const std::string after(text);
  check(before + "alter role a password '" + std::string(secret) + "' " + after);
  check(before + "alter role a password $q$" + std::string(secret) + "$q$" + after);
  check(before + "select f('host=h password=" + std::string(secret) + " x=y')" + after);
  check(before + "select f('postgres://u:" + std::string(secret) + "@h')" + after);
  check(before + "alter role a password '" + std::string(secret));
  return 0;
}
